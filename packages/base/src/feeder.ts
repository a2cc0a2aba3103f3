import { execFile } from "node:child_process";
import { messageOf } from "./errors.ts";

/** Whom systemd ends unless it hears from it, for `WatchdogSec=` of systemd.service(5). */
export interface Feeder {
  /** All is well. systemd is told of it no more often than it needs to be. */
  feed(): void;
}

const withinMs = 10_000;
/** systemd waits this much longer than the shortest time between two feeds; sd_watchdog_enabled(3) asks for 2 at least. */
const timeoutPerFeed = 6;

/**
 * Feeds the watchdog through systemd-notify(1) of PATH: Node has no datagram sockets of the Unix kind (nodejs/node#31414). Does
 * nothing where systemd has not asked for it.
 *
 * @param environment of this process: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` in microseconds
 */
export function createFeeder(
  environment: Readonly<Record<string, string | undefined>>,
  log: (message: string) => void,
): Feeder {
  const timeoutMs = timeoutOf(environment);
  if (timeoutMs === null) return { feed: () => undefined };
  let fedAt = Number.NEGATIVE_INFINITY;
  return {
    feed() {
      const now = performance.now();
      if (now - fedAt < timeoutMs / timeoutPerFeed) return;
      fedAt = now;
      execFile("systemd-notify", ["WATCHDOG=1"], { timeout: withinMs, killSignal: "SIGKILL" }, (error) => {
        if (error === null) return;
        fedAt = Number.NEGATIVE_INFINITY;
        log(`systemd could not be told that all is well: ${messageOf(error)}`);
      });
    },
  };
}

/** For a daemon that is well as long as it gets to do anything at all: feeds by the clock. Keeps no process alive. Returns what ends it. */
export function feedByClock(
  environment: Readonly<Record<string, string | undefined>>,
  log: (message: string) => void,
): () => void {
  const timeoutMs = timeoutOf(environment);
  if (timeoutMs === null) return () => undefined;
  const feeder = createFeeder(environment, log);
  feeder.feed();
  const timer = setInterval(() => feeder.feed(), timeoutMs / timeoutPerFeed).unref();
  return () => clearInterval(timer);
}

function timeoutOf({
  NOTIFY_SOCKET,
  WATCHDOG_USEC,
}: Readonly<Record<string, string | undefined>>): number | null {
  const timeoutMs = Number(WATCHDOG_USEC) / 1_000;
  return NOTIFY_SOCKET && timeoutMs > 0 ? timeoutMs : null;
}
