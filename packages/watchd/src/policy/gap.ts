import { agentOf, patch, patchAgent, type Turn } from "./turn.ts";

/**
 * A core that has not been woken for so long was not there: watchd was stopped, or the machine stood still. While it is there, a look at
 * what is alive comes every 5 s.
 */
const gapMs = 15_000;

/**
 * Nobody has seen what was in a gap, and who was to do something within a time may have stood still as well. So a gap counts for
 * nothing: not as time to start up, not as probation, and not as time for which too much was used. Silence and work that does
 * not get on are excused where they are judged (heartbeat.ts, progress.ts).
 */
export function skipGap(turn: Turn): void {
  const { steppedAt, provenSince } = turn.state;
  const { mono } = turn.now;
  patch(turn, { steppedAt: mono });
  // The clock begins anew with each boot of the machine.
  if (steppedAt === undefined || mono - steppedAt < gapMs) return;
  const gap = mono - steppedAt;
  if (provenSince !== null) patch(turn, { provenSince: provenSince + gap });
  for (const name of Object.keys(turn.state.agents)) {
    const agent = agentOf(turn, name);
    if (agent?.run == null) continue;
    const { run, usage } = agent;
    const over = Object.fromEntries(Object.entries(usage.over).map(([what, since]) => [what, since + gap]));
    patchAgent(turn, name, {
      usage: { ...usage, over },
      ...(agent.phase === "verifying"
        ? { run: { ...run, started: { ...run.started, mono: run.started.mono + gap } } }
        : {}),
    });
  }
}
