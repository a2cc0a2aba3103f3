import type { Escalation } from "@daruma/config";
import type { Instant, KnownGood } from "../ports.ts";
import { withinWindow } from "./backoff.ts";
import { downDependencyOf, reachedUntil } from "./needs.ts";
import type { AgentState, GenerationState, State } from "./state.ts";
import { downUpstreamOf } from "./upstreams.ts";

/** One of the conditions under which a rollback is right, how it stands, and why, for the person who asks. */
export interface RuleVerdict {
  readonly rule:
    | "policy-wants-it"
    | "restarts-exhausted"
    | "began-after-switch"
    | "known-good-target"
    | "deploy-changed-agent"
    | "fault-not-external"
    | "budget-left"
    | "once-per-incident"
    | "none-in-progress"
    | "attempts-used"
    | "not-used-yet"
    | "deploy-changed-agent-alone";
  readonly holds: boolean;
  readonly why: string;
}

export interface RollbackJudgement {
  /** The generation to go to; null unless every rule holds. */
  readonly target: Pick<KnownGood, "path" | "number"> | null;
  readonly rules: readonly RuleVerdict[];
}

/**
 * Whether the failing agent `name` may take the system back, and to where. A rollback is right only if a deploy can be
 * the cause: every rule must hold, and `target` is null unless all do.
 */
export function judgeRollback(state: State, name: string, now: Instant): RollbackJudgement {
  const agent = state.agents[name];
  const generation = state.generation;
  if (agent === undefined || generation === null) return { target: null, rules: [] };
  const possible = possibleTargets(state, generation);
  const differing = possible.filter((target) => differs(target, name, agent, generation));
  const rules = [
    wanted(agent, "rollback"),
    restartsExhausted(agent, now),
    beganAfterSwitch(agent, generation),
    knownGoodTarget(possible),
    {
      rule: "deploy-changed-agent",
      holds: differing.length > 0,
      why:
        differing.length > 0
          ? `${name} or the host differs from the known-good generation`
          : possible.length > 0
            ? `${name} and the host are the same in every known-good generation`
            : "there is no generation to compare with",
    },
    notExternal(agent, downUpstreamOf(state, name, now), downDependencyOf(state, name, now)),
    budgetLeft(state, generation),
    oncePerIncident(agent),
    noneInProgress(state),
  ] satisfies RuleVerdict[];
  const target = rules.every((rule) => rule.holds) ? (differing[0] ?? null) : null;
  return { target, rules };
}

export function knownGoodTarget(possible: readonly KnownGood[]): RuleVerdict {
  return {
    rule: "known-good-target",
    holds: possible.length > 0,
    why:
      possible.length > 0
        ? `${possible.length} known-good generation(s) can be gone back to`
        : "no older known-good generation is left that is valid and not quarantined",
  };
}

export function noneInProgress({ rollback }: State): RuleVerdict {
  const why = rollback === null ? "no rollback is under way" : `rollback ${rollback.id} is under way`;
  return { rule: "none-in-progress", holds: rollback === null, why };
}

/** Newest first: known-good, not this one, not promoted after this one, valid, never rolled back from. */
export function possibleTargets(state: State, generation: GenerationState): readonly KnownGood[] {
  // The order of the list counts, not the times in it: the wall clock may have been set back.
  const own = state.knownGood.findIndex((good) => good.path === generation.path);
  const quarantined = new Set(state.quarantine.map((entry) => entry.path));
  return state.knownGood.filter(
    (good, at) => at > own && !quarantined.has(good.path) && !state.rejected.includes(good.path),
  );
}

function differs(target: KnownGood, name: string, agent: AgentState, generation: GenerationState): boolean {
  return target.hostDigest !== generation.hostDigest || target.digests[name] !== agent.policy.digest;
}

/** Restarting has been tried as often as the policy says, whoever is to blame. */
export function isExhausted(agent: AgentState, now: Instant): boolean {
  const { restart } = agent.policy;
  return withinWindow(agent.failures, restart, now.mono).length >= restart.attempts || neverHealthy(agent);
}

export function wanted({ policy }: AgentState, step: Escalation): RuleVerdict {
  const holds = policy.escalate.includes(step);
  return {
    rule: "policy-wants-it",
    holds,
    why: `the agent's escalation ${holds ? "includes" : "does not include"} ${step}`,
  };
}

function neverHealthy(agent: AgentState, unconfirmed = 0): boolean {
  const failures = agent.failuresInGeneration - unconfirmed;
  return !agent.provenInGeneration && failures >= agent.policy.restart.attempts;
}

/**
 * The same by what speaks against this generation: its own failures within the window, or all of them where the agent was
 * never healthy in it. Failures from before the switch, those whose cause nobody saw, and a kill from outside are not held
 * against it.
 */
export function restartsExhausted(agent: AgentState, now: Instant): RuleVerdict {
  const { attempts, withinMs } = agent.policy.restart;
  const until = reachedUntil(agent);
  const confirmed = agent.evidence.filter((at) => at <= until);
  const recent = withinWindow(confirmed, agent.policy.restart, now.mono).length;
  const never = neverHealthy(agent, agent.evidence.length - confirmed.length);
  // One such failure says as much as all attempts would, where it was never well in this generation.
  const hopeless = agent.misconfigured && !agent.provenInGeneration;
  const others = withinWindow(agent.failures, agent.policy.restart, now.mono).length - recent;
  const spared = others > 0 ? `, and ${others} more that do not speak against it` : "";
  return {
    rule: "restarts-exhausted",
    holds: recent >= attempts || never || hopeless,
    why: hopeless
      ? "says that its configuration is wrong, and was never healthy in this generation"
      : never
        ? `failed ${agent.failuresInGeneration} times and was never healthy in this generation`
        : `failed ${recent} of ${attempts} times in this generation within ${withinMs} ms${spared}`,
  };
}

/**
 * What was wrong before the switch is not the deploy's doing. Where the deploy changed the agent, and restarts had not been exhausted
 * until then (an outage that was being waited out, a crash just before), the failures that count are of what it brought.
 */
export function beganAfterSwitch(agent: AgentState, generation: GenerationState): RuleVerdict {
  const isNew = agent.incident !== null && agent.incident.sinceTurn > generation.activatedTurn;
  const isChanged = agent.incident !== null && agent.changedIn === generation.activatedTurn;
  return {
    rule: "began-after-switch",
    holds: isNew || isChanged,
    why: isNew
      ? "the failure began after the switch"
      : isChanged
        ? "the failure began with what the switch changed: before it, the agent was being healed"
        : "the failure is older than this generation",
  };
}

export function notExternal(
  agent: AgentState,
  upstream: string | null,
  dependency: string | null,
): RuleVerdict {
  const agentSays = agent.externalFaults > 0 || agent.waitsFor !== null;
  const why =
    upstream !== null
      ? `egressd does not reach ${upstream}, for this agent and others`
      : dependency !== null
        ? `its dependency ${dependency} is not reached`
        : agentSays
          ? "the agent says that the fault is outside"
          : null;
  return {
    rule: "fault-not-external",
    holds: why === null,
    why: why ?? "nothing says that the fault is outside",
  };
}

function budgetLeft(state: State, generation: GenerationState): RuleVerdict {
  const spent = state.spentBudget[generation.path] ?? 0;
  const budget = generation.watchdog.rollbackBudget;
  return {
    rule: "budget-left",
    holds: spent < budget,
    why: `${spent} of ${budget} rollback(s) spent on this generation`,
  };
}

function oncePerIncident(agent: AgentState): RuleVerdict {
  const holds = agent.incident !== null && !agent.incident.rolledBack;
  return {
    rule: "once-per-incident",
    holds,
    why: holds ? "this incident has not rolled back yet" : "this incident has had its rollback",
  };
}
