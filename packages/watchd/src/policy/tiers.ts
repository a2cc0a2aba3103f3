import { type JsonValue, own } from "@daruma/base";
import type { Escalation } from "@daruma/config";
import type { Instant, KnownGood } from "../ports.ts";
import { downDependencyOf } from "./needs.ts";
import {
  beganAfterSwitch,
  isExhausted,
  judgeRollback,
  knownGoodTarget,
  noneInProgress,
  notExternal,
  possibleTargets,
  type RollbackJudgement,
  type RuleVerdict,
  restartsExhausted,
  wanted,
} from "./rollback-rules.ts";
import { declaredPolicy, wornBefore } from "./stand-in.ts";
import type { AgentState, GenerationState, State } from "./state.ts";
import { downUpstreamOf } from "./upstreams.ts";

/** What may be done about an agent that restarting does not help. */
export type Tier = Exclude<Escalation, "alert">;

export interface TierJudgement extends RollbackJudgement {
  readonly to: Tier;
}

/**
 * Every tier in the order of the agent's policy, each with its rules. The first one with a target is what is done. A rollback of
 * the whole system is judged in any case: whoever asks why there was none is told.
 */
export function judgeTiers(state: State, name: string, now: Instant): readonly TierJudgement[] {
  const escalate = state.agents[name]?.policy.escalate ?? [];
  const wished = escalate.filter((step): step is Tier => step !== "alert");
  const tiers: readonly Tier[] = wished.includes("rollback") ? wished : [...wished, "rollback"];
  return tiers.map((to) => ({ to, ...judges[to](state, name, now) }));
}

const judges: Readonly<Record<Tier, (state: State, name: string, now: Instant) => RollbackJudgement>> = {
  fallback: judgeFallback,
  "rollback-agent": judgeAgentRollback,
  rollback: judgeRollback,
};

/** Whether the agent goes on with its fallback settings. No deploy is blamed, so little is asked. */
function judgeFallback(state: State, name: string, now: Instant): RollbackJudgement {
  const { generation } = state;
  const agent = state.agents[name];
  if (agent === undefined || generation === null) return { target: null, rules: [] };
  const used = wornBefore(agent).includes("fallback");
  const isUsedUp = agent.misconfigured || isExhausted(agent, now);
  const rules: readonly RuleVerdict[] = [
    wanted(agent, "fallback"),
    {
      rule: "attempts-used",
      holds: isUsedUp,
      why: isUsedUp ? "restarting it as it is has not helped" : "restarting it as it is may still help",
    },
    notExternal(agent, downUpstreamOf(state, name, now), downDependencyOf(state, name, now)),
    {
      rule: "not-used-yet",
      holds: declaredPolicy(agent).fallback !== undefined && !used,
      why:
        declaredPolicy(agent).fallback === undefined
          ? "this definition of the agent has no fallback"
          : used
            ? "its fallback settings have been tried"
            : "its fallback settings have not been tried",
    },
    noneInProgress(state),
  ];
  return { target: rules.every((rule) => rule.holds) ? generation : null, rules };
}

/**
 * Whether the agent alone goes back to what a known-good generation has of it: all that makes a rollback right must hold, and
 * nothing but this agent may differ between the two, so that the old settings meet what they were proven with.
 */
function judgeAgentRollback(state: State, name: string, now: Instant): RollbackJudgement {
  const { generation } = state;
  const agent = state.agents[name];
  if (agent === undefined || generation === null) return { target: null, rules: [] };
  const possible = possibleTargets(state, generation);
  const alone = possible.filter((target) => differsInOne(target, name, state, generation));
  const rules: readonly RuleVerdict[] = [
    wanted(agent, "rollback-agent"),
    restartsExhausted(agent, now),
    beganAfterSwitch(agent, generation),
    knownGoodTarget(possible),
    {
      rule: "deploy-changed-agent-alone",
      holds: alone.length > 0,
      why:
        alone.length > 0
          ? `nothing but ${name} differs from the known-good generation`
          : possible.length > 0
            ? `${name} is the same in every known-good generation, or other agents or the host differ as well`
            : "there is no generation to compare with",
    },
    notExternal(agent, downUpstreamOf(state, name, now), downDependencyOf(state, name, now)),
    budgetLeftAlone(state, name, generation),
    noneInProgress(state),
  ];
  return { target: rules.every((rule) => rule.holds) ? (alone[0] ?? null) : null, rules };
}

function differsInOne(target: KnownGood, name: string, state: State, generation: GenerationState): boolean {
  const digest = own(target.digests, name);
  if (target.hostDigest !== generation.hostDigest || digest === undefined) return false;
  // What has failed once is not put back, whichever generation has it.
  if (digest === state.agents[name]?.policy.digest || isBroken(state, name, digest)) return false;
  const declared = Object.entries(state.agents).filter(([, agent]) => agent.declared);
  const others = declared.filter(([other]) => other !== name);
  return (
    Object.keys(target.digests).length === declared.length &&
    declaredDigest(state.agents[name]) !== digest &&
    others.every(([other, agent]) => target.digests[other] === declaredDigest(agent))
  );
}

function declaredDigest(agent: AgentState | undefined): string | undefined {
  return agent === undefined ? undefined : declaredPolicy(agent).digest;
}

function isBroken(state: State, name: string, digest: string): boolean {
  return state.quarantine.some((entry) => entry.agent === name && entry.digest === digest);
}

/** One for each agent and generation, and none where there are to be no rollbacks. */
function budgetLeftAlone(
  { wentBackAlone, keptFromAlone }: State,
  name: string,
  generation: GenerationState,
): RuleVerdict {
  const spent = wentBackAlone[generation.path]?.includes(name) === true;
  const isAllowed = generation.watchdog.rollbackBudget > 0;
  const refusals = keptFromAlone[generation.path] ?? {};
  const refusal = own(refusals, name);
  return {
    rule: "budget-left",
    holds: isAllowed && !spent,
    why: !isAllowed
      ? "this host has no automatic rollbacks"
      : refusal !== undefined
        ? `${name} cannot go back alone: ${refusal}`
        : spent
          ? `${name} has gone back alone in this generation already`
          : `${name} has not gone back alone in this generation yet`,
  };
}

export function inWords({ rule, why }: RuleVerdict): string {
  return `${rule}: ${why}`;
}

/** For `agentctl explain-rollback`, long after the state that was judged is gone. */
export function recorded({ target, rules }: RollbackJudgement): { readonly [key: string]: JsonValue } {
  return {
    target: target?.path ?? null,
    toNumber: target?.number ?? null,
    rules: rules.map(({ rule, holds, why }) => ({ rule, holds, why })),
  };
}

/** The tiers beside the one that a record is about. */
export function recordedTiers(tiers: readonly TierJudgement[]): JsonValue {
  return Object.fromEntries(tiers.map((tier) => [tier.to, recorded(tier)]));
}
