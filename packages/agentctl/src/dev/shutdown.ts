import { setTimeout as sleep } from "node:timers/promises";
import { isDarumaError, messageOf, systemCode } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import { mayComeBack } from "../instance/patience.ts";
import type { WatchdClient } from "../instance/watchd-client.ts";
import type { DevReport } from "./report.ts";

export interface DrainOptions {
  readonly watchd: WatchdClient;
  readonly hurry: AbortSignal;
  readonly report: DevReport;
}

/** The longest that a timer can be set to: an agent's grace is up to its own policy. */
const noLimitMs = 2 ** 31 - 1;
/** A watchd that dies while draining is started again; so often is it asked again. */
const attempts = 20;
/** After a second Ctrl-C, the time for watchd to see that the agents are gone. */
const hurriedMs = 5_000;

/**
 * Stops every agent through watchd and waits until nothing runs. In a hurry the agents are killed instead.
 *
 * @throws DEV_E_STOP
 */
export async function drain({ watchd, hurry, report }: DrainOptions): Promise<void> {
  const draining = drainPatiently(watchd);
  draining.catch(() => undefined);
  if (!hurry.aborted) {
    const hurried = new Promise<"hurry">((resolve) => {
      hurry.addEventListener("abort", () => resolve("hurry"), { once: true });
    });
    if ((await Promise.race([draining, hurried])) !== "hurry") return;
  }
  await report.hurrying();
  await killAgents(watchd);
  const late = new AbortController();
  try {
    await Promise.race([draining, giveUp(late.signal)]);
  } finally {
    late.abort();
  }
}

async function drainPatiently(watchd: WatchdClient): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await watchd.drain(noLimitMs);
    } catch (error) {
      const gone = mayComeBack(error) || (isDarumaError(error) && error.code === "SOCKET_E_PROTOCOL");
      if (!gone || attempt >= attempts) throw cannotStop(messageOf(error), error);
      await sleep(250);
    }
  }
}

async function giveUp(signal: AbortSignal): Promise<never> {
  await sleep(hurriedMs, undefined, { signal });
  throw cannotStop("watchd does not say that the agents are gone");
}

/** Runs of routines are killed by watchd. Each agent leads a session of its own, so that its process group is all of it that did not run away. */
async function killAgents(watchd: WatchdClient): Promise<void> {
  await watchd.killRuns().catch(() => undefined);
  const status = await watchd.status().catch(() => null);
  for (const { pid } of status?.agents ?? []) {
    if (pid === null) continue;
    try {
      process.kill(-pid, "SIGKILL");
    } catch (error) {
      if (systemCode(error) !== "ESRCH") throw cannotStop(`process ${pid}: ${messageOf(error)}`, error);
    }
  }
}

function cannotStop(why: string, cause?: unknown): Error {
  return agentctlErrors.make("DEV_E_STOP", `agents may still run: ${why}`, { cause });
}
