import { run } from "../commands.ts";

export interface Feeder {
  /** All is well. systemd is told of it no more often than it needs to be. */
  feed(): void;
}

const withinMs = 10_000;
/** systemd waits this much longer than the shortest time between two feeds; sd_watchdog_enabled(3) asks for 2 at least. */
const timeoutPerFeed = 6;

/**
 * Feeds `WatchdogSec=` through systemd-notify(1): Node has no datagram sockets of the Unix kind (nodejs/node#31414). Does
 * nothing where systemd has not asked for it.
 */
export function createFeeder(
  environment: Readonly<Record<string, string | undefined>>,
  log: (message: string) => void,
): Feeder {
  const timeoutMs = Number(environment.WATCHDOG_USEC) / 1_000;
  if (!environment.NOTIFY_SOCKET || !(timeoutMs > 0)) return { feed: () => undefined };
  let fedAt = Number.NEGATIVE_INFINITY;
  return {
    feed() {
      const now = performance.now();
      if (now - fedAt < timeoutMs / timeoutPerFeed) return;
      fedAt = now;
      void run("systemd-notify", ["WATCHDOG=1"], {
        timeoutMs: withinMs,
        signal: new AbortController().signal,
      }).then(({ ok, problem }) => {
        if (ok) return;
        fedAt = Number.NEGATIVE_INFINITY;
        log(`systemd could not be told that all is well: ${problem}`);
      });
    },
  };
}
