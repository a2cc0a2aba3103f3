import type { Problem } from "@daruma/base";
import {
  type AgentSpec,
  agentEgress,
  type EgressRule,
  egressSubjects,
  type Fleet,
  formatDuration,
  formatPath,
  formatRule,
  type Host,
  isNetwork,
  type RoutineSpec,
} from "@daruma/config";
import type { LintCode } from "./catalogue.ts";
import { gapProblem } from "./gaps.ts";
import { portClashes } from "./ports.ts";
import { plainSecrets } from "./secrets.ts";

/** A problem of a fleet that is valid. */
export interface Finding extends Problem {
  readonly code: LintCode;
}

type Path = readonly (string | number)[];

/**
 * Everything in a fleet that is allowed and bites in production, in the order of the fleet.
 *
 * @param now Unix time in ms; for what the clocks of time zones will do.
 */
export function lintFleet(fleet: Fleet, now = Date.now()): Finding[] {
  return Object.entries(fleet.hosts).flatMap(([name, host]) => lintHost(host, ["hosts", name], now));
}

function lintHost(host: Host, path: Path, now: number): Finding[] {
  const agents = Object.entries(host.agents);
  const observed =
    host.egress.mode === "observe" &&
    egressSubjects(host).some(([, { egress }]) => agentEgress(host.egress, egress) !== null);
  return [
    ...when(
      observed,
      "LINT_E_EGRESS_OBSERVED",
      [...path, "egress", "mode"],
      "is observe: no rule is enforced",
    ),
    ...host.egress.allow.flatMap((rule) => {
      if (rule.scope !== "host") return [];
      return sharedName(rule, [...path, "egress", "allow"]);
    }),
    ...agents.flatMap(([name, agent]) => lintAgent(agent, host, [...path, "agents", name])),
    ...Object.entries(host.routines).flatMap(([name, routine]) => [
      ...lintRoutine(name, routine, [...path, "routines", name], now),
      ...when(
        agentEgress(host.egress, routine.egress) === null,
        "LINT_E_EGRESS_OPEN",
        [...path, "routines", name],
        "may reach everything: there are no egress rules for it",
      ),
      ...(routine.egress ?? []).flatMap((rule, index) =>
        sharedName(rule, [...path, "routines", name, "egress", index]),
      ),
    ]),
    ...portClashes(host).map((clash) =>
      finding("LINT_E_PORT_CLASH", [...path, ...clash.path], clash.message),
    ),
  ];
}

function lintRoutine(name: string, routine: RoutineSpec, path: Path, now: number): Finding[] {
  const gap = gapProblem(name, routine, now);
  return [
    ...(gap === undefined ? [] : [finding("LINT_E_DST_GAP", [...path, "schedule"], gap)]),
    ...plainSecrets(routine).map((each) =>
      finding("LINT_E_PLAIN_SECRET", [...path, ...each.path], each.message),
    ),
  ];
}

function lintAgent(agent: AgentSpec, host: Host, path: Path): Finding[] {
  const { escalate, stop, required } = agent;
  const { probationMs, rollbackBudget } = host.watchdog;
  const rollsBack = escalate.includes("rollback") || escalate.includes("rollback-agent");
  const spans = `${formatDuration(stop.graceMs)} is longer than watchdog.probation, ${formatDuration(probationMs)}`;
  return [
    ...when(
      agent.health === null && agent.heartbeat === null,
      "LINT_E_NO_HEALTH",
      path,
      "has neither a health check nor a heartbeat: if it hangs, nobody notices",
    ),
    ...when(
      agentEgress(host.egress, agent.egress) === null,
      "LINT_E_EGRESS_OPEN",
      path,
      "may reach everything: there are no egress rules for it",
    ),
    ...(agent.egress ?? []).flatMap((rule, index) => sharedName(rule, [...path, "egress", index])),
    ...when(stop.graceMs > probationMs, "LINT_E_GRACE", [...path, "stop", "grace"], spans),
    ...when(
      rollsBack && rollbackBudget === 0,
      "LINT_E_NO_KNOWN_GOOD",
      [...path, "escalate"],
      "names rollback, and watchdog.rollbackBudget is 0: it never happens",
    ),
    ...when(
      rollsBack && rollbackBudget > 0 && !required,
      "LINT_E_NO_KNOWN_GOOD",
      [...path, "escalate"],
      "names rollback, and the agent is not required: a generation is known-good without it ever being healthy",
    ),
    ...plainSecrets(agent).map(({ path: inner, message }) =>
      finding("LINT_E_PLAIN_SECRET", [...path, ...inner], message),
    ),
    ...plainSecrets(agent.fallback ?? { command: [], environment: {} }).map(({ path: inner, message }) =>
      finding("LINT_E_PLAIN_SECRET", [...path, "fallback", ...inner], message),
    ),
  ];
}

/** Domains below which names are for everybody to rent; a wildcard below one of them is one for everybody. */
const shared: readonly string[] = [
  "amazonaws.com",
  "appspot.com",
  "azurewebsites.net",
  "cloudfront.net",
  "core.windows.net",
  "digitaloceanspaces.com",
  "firebaseio.com",
  "fly.dev",
  "github.io",
  "herokuapp.com",
  "netlify.app",
  "ngrok.app",
  "ngrok.io",
  "onrender.com",
  "pages.dev",
  "r2.cloudflarestorage.com",
  "run.app",
  "storage.googleapis.com",
  "supabase.co",
  "trycloudflare.com",
  "vercel.app",
  "web.app",
  "workers.dev",
];

function sharedName(rule: EgressRule, path: Path): Finding[] {
  if (isNetwork(rule) || !rule.host.startsWith("*.")) return [];
  const name = rule.host.slice(2);
  const rented = shared.find((domain) => name === domain || name.endsWith(`.${domain}`));
  const message = `${formatRule(rule)} is every name that anybody rents below ${rented}`;
  return when(rented !== undefined, "LINT_E_EGRESS_SHARED", path, message);
}

function when(wrong: boolean, code: LintCode, path: Path, message: string): Finding[] {
  return wrong ? [finding(code, path, message)] : [];
}

function finding(code: LintCode, path: Path, message: string): Finding {
  return { code, path: formatPath(path), message };
}
