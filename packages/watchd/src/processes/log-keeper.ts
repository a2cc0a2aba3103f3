import { messageOf } from "@daruma/base";
import { maxLogBytes, turnLog } from "./log-files.ts";

export interface LogKeeperOptions {
  /** Directories of those that run. */
  readonly homes: () => Iterable<string>;
  readonly log: (message: string) => void;
  /** Default 2,000. */
  readonly everyMs?: number;
  readonly maxBytes?: number;
}

/** Looks at the logs of what runs, and keeps them from growing without end. */
export function keepLogsSmall(options: LogKeeperOptions): { close(): void } {
  const { homes, log, everyMs = 2_000, maxBytes = maxLogBytes } = options;
  /** Where no hole can be punched: to copy again and again would only cost more. */
  const unable = new Set<string>();
  let isLooking = false;
  const look = async () => {
    for (const home of homes()) {
      if (unable.has(home)) continue;
      await turnLog(home, maxBytes).catch((error) => {
        unable.add(home);
        log(`a log is not kept small until its agent starts again: ${messageOf(error)}`);
      });
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
