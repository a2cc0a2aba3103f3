import { judgeRollback } from "../policy/rollback-rules.ts";
import type { State } from "../policy/state.ts";
import type { Instant } from "../ports.ts";

/**
 * What `GET /v1/judgements` answers: how a rollback for each agent that is being recovered would be judged at this moment, by the
 * function that will decide.
 */
export function judgementsOf(state: State, now: Instant): object {
  return {
    schemaVersion: 1,
    judgements: Object.entries(state.agents).flatMap(([agent, { incident }]) => {
      if (incident === null) return [];
      const { target, rules } = judgeRollback(state, agent, now);
      return [
        {
          agent,
          incident: incident.id,
          from: state.generation?.path ?? null,
          target: target?.path ?? null,
          toNumber: target?.number ?? null,
          rules,
        },
      ];
    }),
  };
}
