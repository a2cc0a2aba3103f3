import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import { agentOfTrace } from "./traces.ts";

export interface Edges {
  /** Watches the control group that the agent's unit has now. */
  watchGroup(agent: string, controlGroup: string): void;
  unwatchGroup(agent: string): void;
  close(): void;
}

export interface EdgeOptions {
  readonly exits: string;
  readonly cgroupRoot: string;
  /** A hook of the agent's unit has left a trace. */
  readonly onTrace: (agent: string) => void;
  /** The agent's control group has become empty, or is not there. */
  readonly onEmpty: (agent: string) => void;
  readonly log: (message: string) => void;
}

/**
 * Two edges for each agent, both hints only. Its control group becomes empty within milliseconds of its death; the hook's
 * trace comes 20 to 30 ms later and knows the cause, but is missing where the whole group was killed, hook and all.
 */
export function createEdges({ exits, cgroupRoot, onTrace, onEmpty, log }: EdgeOptions): Edges {
  const groups = new Map<string, { readonly controlGroup: string; readonly watcher: FSWatcher }>();
  const traces = watchFile(exits, (file) => {
    if (file !== null) onTrace(agentOfTrace(file));
  });
  if (traces === null)
    log(`${exits} cannot be watched: ends of agents are found by looking, which takes longer`);
  const unwatchGroup = (agent: string) => {
    groups.get(agent)?.watcher.close();
    groups.delete(agent);
  };
  return {
    watchGroup(agent, controlGroup) {
      if (controlGroup === "") return;
      unwatchGroup(agent);
      const events = join(cgroupRoot, controlGroup, "cgroup.events");
      const watcher = watchFile(events, () => onEmpty(agent));
      if (watcher !== null) groups.set(agent, { controlGroup, watcher });
      // It has ended before it could be watched.
      else onEmpty(agent);
    },
    unwatchGroup,
    close() {
      traces?.close();
      for (const agent of [...groups.keys()]) unwatchGroup(agent);
    },
  };
}

/** Null where it cannot be watched: it is gone, or inotify's limits are reached. */
function watchFile(path: string, onChange: (file: string | null) => void): FSWatcher | null {
  try {
    const watcher = watch(path, (_, file) => onChange(file));
    watcher.on("error", () => undefined);
    return watcher.unref();
  } catch {
    return null;
  }
}
