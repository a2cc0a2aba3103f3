import type { RestartPolicy } from "@daruma/config";
import { plainDelay } from "../delays.ts";
import type { Memory } from "../memory.ts";
import type { Seen } from "../watchd.ts";
import type { World } from "../world.ts";
import { type Invariant, recordsOf } from "./invariant.ts";

/** However short the longest delay of a policy is, an agent that is held waits this long. */
const leastHoldMs = 1_000;

/** The shortest delay that the policy allows after the `nth` failure in its window. */
function shortest({ backoff }: RestartPolicy, nth: number): number {
  return plainDelay(backoff, nth) * (1 - backoff.jitter);
}

/** From the last real failure to the restart there is at least the delay of the policy; after `attempts`, the longest. */
export const restartsAreNeverTooFast: Invariant = (seen, memory, world) => {
  if (recordsOf(seen, "generation.switch").length > 0) return null;
  for (const command of seen.taken.commands) {
    if (command.type !== "start") continue;
    const vouched = recordsOf(seen, "generation.allow").some(
      ({ subject }) => subject === memory.current?.path,
    );
    const byPerson =
      recordsOf(seen, "agent.released").some(({ subject }) => subject === command.agent) ||
      (vouched && memory.seeking.has(command.agent));
    // With other settings it begins anew.
    const isNew = ["agent.stand-in", "agent.stand-in-over"].some((action) =>
      recordsOf(seen, action).some(({ subject }) => subject === command.agent),
    );
    if (byPerson || isNew) continue;
    const failures = memory.failuresOf(command.agent, world);
    const last = failures.at(-1);
    const due = last !== undefined && !restartedSince(command.agent, last.time, memory);
    if (!due || memory.switchTime >= last.time) continue;
    const policy = memory.current?.manifest.agents[command.agent]?.restart;
    if (policy === undefined) return `${command.agent} is not in this generation`;
    const gap = world.machine.time - last.time;
    const least = leastGap(policy, command.agent, lastCause(seen, memory, command.agent), memory, world);
    if (gap < Math.floor(least))
      return `${command.agent} is restarted ${gap} ms after its failure, not ${least} ms or later`;
  }
  return null;
};

function restartedSince(agent: string, time: number, memory: Memory): boolean {
  return (memory.lastStart.get(agent) ?? Number.NEGATIVE_INFINITY) >= time;
}

/** What the core took the last failure for; it may have learned of it in this very step. */
function lastCause(seen: Seen, memory: Memory, agent: string): string | undefined {
  const cause = seen.taken.records.find(({ subject, details }) => subject === agent && "cause" in details);
  return cause === undefined ? memory.lastCause.get(agent) : String(cause.details.cause);
}

function leastGap(
  policy: RestartPolicy,
  agent: string,
  cause: string | undefined,
  memory: Memory,
  world: World,
): number {
  if (cause === "configuration") return Number.POSITIVE_INFINITY;
  const { time } = world.machine;
  const since = Math.max(time - policy.withinMs, memory.fresh.get(agent) ?? Number.NEGATIVE_INFINITY);
  if (cause === "dependency") {
    const outside = (memory.outsideFaults.get(agent) ?? []).filter((at) => at > since).length;
    const patient = {
      kind: "exponential" as const,
      initialMs: Math.max(100, policy.backoff.initialMs),
      factor: Math.max(2, policy.backoff.factor),
      maxMs: Math.max(leastHoldMs, policy.backoff.maxMs),
    };
    return shortest({ ...policy, backoff: { ...policy.backoff, ...patient } }, Math.max(1, outside));
  }
  const own = memory
    .failuresOf(agent, world)
    .filter(
      ({ kind, isExcused, time: at }) => kind !== "outside" && !isExcused && at > time - policy.withinMs,
    ).length;
  if (own < policy.attempts) return own === 0 ? 0 : shortest(policy, own);
  return Math.max(leastHoldMs, policy.backoff.maxMs * (1 - policy.backoff.jitter));
}

/** Of agents that have failed, and that no person has started, no more are being started at once than the host's policy allows. */
export const restartsAreNeverAStorm: Invariant = (seen, memory) => {
  const starts = recordsOf(seen, "agent.start");
  if (starts.length === 0) return null;
  const most = memory.current?.manifest.watchdog.restartsAtOnce;
  const released = new Set(recordsOf(seen, "agent.released").map(({ subject }) => subject));
  const begun = starts.filter(
    ({ subject, incident }) =>
      incident !== undefined && !released.has(subject) && !memory.wantedByPerson.has(subject),
  );
  const stopped = new Set(recordsOf(seen, "agent.stopped-by-person").map(({ subject }) => subject));
  const before = [...memory.restarting].filter((run) => !stopped.has(memory.starting.get(run) ?? ""));
  const busy = new Set([...before, ...begun.map(({ run = "" }) => run)]);
  if (most === undefined || begun.length === 0 || busy.size <= most) return null;
  return `${busy.size} agents are being restarted at once, and ${most} may be`;
};
