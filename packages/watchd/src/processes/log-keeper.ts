import { messageOf } from "@daruma/base";
import { logSize, maxLogBytes, turnLog } from "./log-files.ts";

export interface LogKeeperOptions {
  /** Directories of those that run. */
  readonly homes: () => Iterable<string>;
  readonly log: (message: string) => void;
  /** Default 2,000. */
  readonly everyMs?: number;
  readonly maxBytes?: number;
}

/** How many looks pass a log by that did not grow between the last two that it was given: most of a thousand agents say little. */
const looksPassed = 4;

interface Looked {
  readonly size: number;
  readonly dueAt: number;
}

/** Looks at the logs of what runs, and keeps them from growing without end. */
export function keepLogsSmall(options: LogKeeperOptions): { close(): void } {
  const { homes, log, everyMs = 2_000, maxBytes = maxLogBytes } = options;
  /** Where no hole can be punched: to copy again and again would only cost more. */
  const unable = new Set<string>();
  let looked = new Map<string, Looked>();
  let count = 0;
  let isLooking = false;
  const look = async () => {
    const before = looked;
    looked = new Map();
    count += 1;
    for (const home of homes()) {
      if (unable.has(home)) continue;
      const last = before.get(home);
      if (last !== undefined && last.dueAt > count) {
        looked.set(home, last);
        continue;
      }
      try {
        const size = logSize(home);
        looked.set(home, { size, dueAt: last?.size === size ? count + 1 + looksPassed : count + 1 });
        // Of most logs this is all that has to be known: what was copied away counts in the size, holes and all.
        if (size > maxBytes) await turnLog(home, maxBytes);
      } catch (error) {
        unable.add(home);
        log(`a log is not kept small until its agent starts again: ${messageOf(error)}`);
      }
    }
  };
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void look().finally(() => {
      isLooking = false;
    });
  }, everyMs);
  timer.unref();
  return { close: () => clearInterval(timer) };
}
