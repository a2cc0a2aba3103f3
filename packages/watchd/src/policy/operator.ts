import { converge } from "./generation.ts";
import { takeAllOff } from "./going-back.ts";
import { judgedAnew } from "./probation.ts";
import { beginRollback } from "./rollback.ts";
import type { State } from "./state.ts";
import { patch, record, type Turn } from "./turn.ts";

/** Why a person's rollback to `target` cannot be begun now; null if it can. */
export function refuseRollback(
  state: State,
  target: string,
): "nothing-deployed" | "already-current" | "in-progress" | "quarantined" | null {
  if (state.generation === null) return "nothing-deployed";
  if (state.rollback !== null) return "in-progress";
  if (state.generation.path === target) return "already-current";
  if (state.quarantine.some((entry) => entry.path === target)) return "quarantined";
  return null;
}

/** A person decides for themselves: no budget, no questions about causes. */
export function onOperatorRollback(turn: Turn, path: string, number: number | null): void {
  if (refuseRollback(turn.state, path) !== null) return;
  beginRollback(turn, { by: "operator", agent: null, incident: null, target: { path, number } });
}

/** A person vouches for a generation that was rolled back from: it may be deployed again, with a fresh budget. */
export function onOperatorAllow(turn: Turn, path: string): void {
  const { [path]: _spent, ...spentBudget } = turn.state.spentBudget;
  const { [path]: _alone, ...wentBackAlone } = turn.state.wentBackAlone;
  const { [path]: _kept, ...keptFromAlone } = turn.state.keptFromAlone;
  patch(turn, {
    quarantine: turn.state.quarantine.filter((entry) => entry.path !== path),
    rejected: turn.state.rejected.filter((rejected) => rejected !== path),
    awaitsBoot: turn.state.awaitsBoot?.from === path ? null : turn.state.awaitsBoot,
    spentBudget,
    wentBackAlone,
    keptFromAlone,
  });
  record(turn, { action: "generation.allow", subject: path, severity: "warning" });
  if (turn.state.generation?.path !== path) return;
  if (turn.state.promotion === "done") patch(turn, { promotion: judgedAnew(turn.state) });
  takeAllOff(turn);
}

export function onDrain(turn: Turn): void {
  patch(turn, { draining: true });
  record(turn, { action: "watchd.drain", subject: "watchd" });
  for (const name of Object.keys(turn.state.agents)) {
    converge(turn, name);
  }
}

/** Nothing runs any more and nothing is on its way. */
export function isDrained(state: State): boolean {
  return (
    state.draining &&
    state.surveyed &&
    Object.values(state.agents).every(
      (agent) => agent.run === null && agent.startingRun === null && agent.strays.length === 0,
    )
  );
}
