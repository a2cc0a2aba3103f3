import type { State } from "../policy/state.ts";
import { judgeTiers } from "../policy/tiers.ts";
import type { Instant } from "../ports.ts";

/**
 * What `GET /v1/judgements` answers: how each tier of the policy of each agent that is being recovered would be judged at this
 * moment, by the function that will decide.
 */
export function judgementsOf(state: State, now: Instant): object {
  return {
    schemaVersion: 1,
    judgements: Object.entries(state.agents).flatMap(([agent, { incident }]) => {
      if (incident === null) return [];
      return judgeTiers(state, agent, now).map(({ to, target, rules }) => ({
        agent,
        incident: incident.id,
        to,
        from: state.generation?.path ?? null,
        target: target?.path ?? null,
        toNumber: target?.number ?? null,
        rules,
      }));
    }),
  };
}
