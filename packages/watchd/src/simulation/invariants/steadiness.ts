import type { Memory } from "../memory.ts";
import type { Answer, Process } from "../process.ts";
import type { Invariant } from "./invariant.ts";

/** Of so many of its newest checks an agent may miss less than half, and less than its policy's `failures` to be proven good. */
function span(failures: number): number {
  return Math.max(20, 2 * failures);
}

function missed(answers: readonly Answer[]): number {
  return answers.filter((answer) => answer.missed).length;
}

/** Whether it has really missed as many checks as it takes to be called unhealthy: in a row, or half of the newest. */
export function missedTooMany({ answers, version: { failures } }: Process): boolean {
  const row = answers.slice(-failures);
  return (row.length === failures && missed(row) === failures) || missesHalf(answers, failures);
}

function missesHalf(answers: readonly Answer[], failures: number): boolean {
  return 2 * missed(answers.slice(-span(failures))) >= span(failures);
}

/** What this watchd knows: before an agent was proven, missed checks are told by their row alone. */
function sinceProven({ answers, run }: Process, memory: Memory): readonly Answer[] {
  const from = memory.provenAt.get(run.runId) ?? memory.lifeBegan;
  return answers.filter(({ at }) => at > from);
}

/** An agent that misses every other check is of use to nobody, though it never misses many in a row. */
export const whoFlapsIsFound: Invariant = ({ event, before, taken }, memory, world) => {
  if (event.type !== "probed" || before.agents[event.agent]?.phase !== "healthy") return null;
  const process = world.machine.process(event.runId);
  const now = taken.state.agents[event.agent];
  if (process === undefined || now?.phase !== "healthy" || now.run?.runId !== event.runId) return null;
  const answers = sinceProven(process, memory);
  return missesHalf(answers, process.version.failures)
    ? `${event.agent} has missed half of its newest checks and is called healthy`
    : null;
};

/** A generation in which a required agent misses checks now and then is not known to be good. */
export const falteringIsNoProof: Invariant = ({ taken }, memory, world) => {
  for (const command of taken.commands) {
    if (command.type !== "promote") continue;
    const { agents } = world.profile.at(command.path).manifest;
    for (const [name, { required, health }] of Object.entries(agents)) {
      const process = world.machine.process(taken.state.agents[name]?.run?.runId ?? "");
      if (!required || health === null || process === undefined) continue;
      // The answer to a check that is under way is not known yet.
      const isUnderWay = memory.outstanding.has(`probe ${process.run.runId}`);
      const known = sinceProven(process, memory).slice(0, isUnderWay ? -1 : undefined);
      const count = missed(known.slice(-span(health.failures)));
      if (count >= health.failures) return `${name} has missed ${count} of its newest checks`;
    }
  }
  return null;
};
