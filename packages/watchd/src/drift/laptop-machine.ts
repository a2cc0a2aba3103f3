import { dirname, join } from "node:path";
import type { Generations } from "../ports.ts";
import type { Machine, Subject } from "./machine.ts";
import { processDifferences } from "./process-observer.ts";
import { StoreWatch } from "./store-watch.ts";

export interface LaptopMachineOptions {
  readonly generations: Pick<Generations, "verifyClosure">;
  /** watchd's own state directory. */
  readonly state: string;
  readonly now: () => number;
  readonly log: (message: string) => void;
  readonly onChange: () => void;
}

/**
 * Of all that is compared on a host, this is what `agentctl dev` has as well: the files of the generation, and what its agents run. A
 * damaged generation cannot be repaired, for nothing has what it was made of.
 */
export function createLaptopMachine(options: LaptopMachineOptions): Machine {
  const { generations } = options;
  const store = new StoreWatch({
    tools: {
      // One path for all of it: it is small, and verified as a whole.
      list: async (roots) =>
        roots.map((path) => ({ path, bytes: 1 })).sort((a, b) => (a.path < b.path ? -1 : 1)),
      async verify(paths) {
        const found = new Map<string, string>();
        for (const path of paths) {
          const verdict = await generations.verifyClosure(path);
          if (!verdict.ok) found.set(path, verdict.problems.join("; "));
        }
        return found;
      },
    },
    file: join(options.state, "drift-store.json"),
    now: options.now,
    log: options.log,
    onChange: options.onChange,
  });
  let current = "";
  return {
    async look({ current: generation, runs }: Subject) {
      const { manifest, path } = generation;
      current = path;
      if (manifest.drift !== undefined) store.tick([path], manifest.drift);
      const inStore = Object.values(manifest.agents)
        .flatMap(({ command }) => command)
        .filter((word) => word.startsWith(`${dirname(path)}/`));
      return {
        differences: [
          ...(await store.differences(manifest, false)),
          ...processDifferences(manifest, runs, {
            uidOf: () => process.getuid?.() ?? null,
            // Programs are whatever PATH had, and version managers put wrappers there.
            belongs: () => true,
            now: options.now(),
          }),
        ],
        unseen: new Map(),
        notes: ["under agentctl dev only the generation's files and the agents' processes are looked at"],
        directories: [...new Set([path, ...inStore.map((file) => dirname(file))])],
      };
    },
    onHint: () => store.suspect(current),
    async correct(differences, _, helpers) {
      const problems: string[] = [];
      for (const { remedy } of differences) {
        const problem = remedy.kind === "restart" ? await helpers.restart(remedy.agent, remedy.runId) : null;
        if (problem !== null) problems.push(problem);
      }
      return problems;
    },
    store: () => store.progress(),
    close: () => store.idle(),
  };
}
