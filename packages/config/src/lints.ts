import type { Problem } from "@daruma/base";
import { lintAlerts } from "./alerts/lint.ts";
import { lintForwards } from "./egress/lint.ts";
import { healthUrlKey } from "./health-url.ts";
import { formatDuration, parseDuration } from "./measures.ts";
import {
  agentNameProblem,
  credentialNameProblem,
  hostNameProblem,
  routineNameProblem,
  variableNameProblem,
} from "./names.ts";
import { formatPath, type Path, quoteName } from "./paths.ts";
import {
  type KnownNames,
  lintLoops,
  lintRoutineNames,
  lintRoutineTimes,
  sharedWebhooks,
} from "./routine-lints.ts";
import { endingSignals } from "./words.ts";

/*
 * What a schema of single values cannot see: names, and settings that contradict each other. It reads the file as the
 * user wrote it and skips what the schema refuses anyway, so that one run reports everything.
 */

/** Defaults that the contradictions depend on; a test holds them against the schema. */
export const lintDefaults = {
  kind: "exponential",
  initial: "100ms",
  factor: 2,
  max: "30s",
  jitter: 0.2,
  attempts: 3,
  within: "10m",
  every: "5s",
  silence: "15s",
} as const;

export function lintFleet(fleet: unknown): Problem[] {
  const hosts = members(fleet, "hosts");
  if (isRecord(fleet) && isRecord(fleet.hosts) && hosts.length === 0) {
    return [problem(["hosts"], "must name at least one host")];
  }
  // Agents with nothing wrong in themselves: the same object may be on many hosts.
  const sound = new Set<unknown>();
  return hosts.flatMap(([name, host]) => {
    const path = ["hosts", name];
    return [...refuse(path, hostNameProblem(name)), ...lintHost(host, path, sound)];
  });
}

function lintHost(host: unknown, path: Path, sound: Set<unknown>): Problem[] {
  const agents = members(host, "agents");
  const each = agents.flatMap(([name, agent]) => {
    const at = [...path, "agents", name];
    const found = sound.has(agent) ? [] : lintAgent(agent, at);
    if (found.length === 0) sound.add(agent);
    return [...refuse(at, agentNameProblem(name)), ...found];
  });
  const routines = members(host, "routines");
  const lists = (["agent", "routine"] as const).flatMap((kind) =>
    (kind === "agent" ? agents : routines).map(([name, each]) => ({
      owner: `${kind} ${quoteName(name)}`,
      path: [...path, `${kind}s`, name, "egress"],
      entries: get(each, "egress"),
    })),
  );
  const names = new Set(routines.map(([name]) => name));
  const eachRoutine = routines.flatMap(([name, routine]) => {
    const at = [...path, "routines", name];
    const known = { routines: names, agents: new Set(agents.map(([agent]) => agent)) };
    return [...refuse(at, routineNameProblem(name)), ...lintRoutine(name, routine, known, at)];
  });
  const shared = sharedHealthUrls(agents, [...path, "agents"]);
  const hooks = sharedWebhooks(routines, [...path, "routines"]);
  return [...each, ...shared, ...lintForwards(lists), ...eachRoutine, ...hooks, ...lintAlerts(host, path)];
}

function lintAgent(agent: unknown, path: Path): Problem[] {
  return [
    ...lintProgram(agent, path),
    ...lintPointers(get(get(agent, "health"), "expect"), [...path, "health", "expect", "json"]),
    ...lintHeartbeat(get(agent, "heartbeat"), [...path, "heartbeat"]),
    ...lintExits(get(agent, "restart"), [...path, "restart", "exits"]),
    ...lintRestart(get(agent, "restart"), [...path, "restart"]),
    ...lintFallback(agent, path),
  ];
}

function lintFallback(agent: unknown, path: Path): Problem[] {
  const fallback = get(agent, "fallback");
  const escalate = get(agent, "escalate");
  if (fallback !== undefined) return lintVariables(fallback, [...path, "fallback"]);
  if (!Array.isArray(escalate) || !escalate.includes("fallback")) return [];
  return [problem([...path, "escalate"], 'names "fallback", and the agent has no `fallback`')];
}

function lintVariables(program: unknown, path: Path): Problem[] {
  return members(program, "environment").flatMap(([name]) =>
    refuse([...path, "environment", name], variableNameProblem(name)),
  );
}

function lintProgram(agent: unknown, path: Path): Problem[] {
  const variables = lintVariables(agent, path);
  const credentials = members(agent, "credentials").flatMap(([name]) =>
    refuse([...path, "credentials", name], credentialNameProblem(name)),
  );
  return [...variables, ...credentials];
}

function lintRoutine(name: string, routine: unknown, known: KnownNames, path: Path): Problem[] {
  return [
    ...lintProgram(routine, path),
    ...lintRoutineNames(routine, known, path),
    ...lintLoops(name, routine, path),
    ...lintRoutineTimes(name, routine, path),
  ];
}

function lintPointers(expect: unknown, path: Path): Problem[] {
  return members(expect, "json").flatMap(([pointer]) =>
    refuse([...path, pointer], isPointer(pointer) ? undefined : pointerProblem),
  );
}

/** RFC 6901, section 3; but not the empty one, which is the whole document and no value. */
function isPointer(pointer: string): boolean {
  return /^\/(?:[^~]|~[01])*$/s.test(pointer) && !pointer.includes("\u0000");
}

const pointerProblem =
  'must be a JSON Pointer such as "/status", in which "~" is "~0" and "/" in a name is "~1"';

function lintHeartbeat(heartbeat: unknown, path: Path): Problem[] {
  if (!isRecord(heartbeat)) return [];
  const every = durationOf(heartbeat.every ?? lintDefaults.every);
  const silence = durationOf(heartbeat.silence ?? lintDefaults.silence);
  if (every === undefined || silence === undefined || silence > every) return [];
  const message = `${formatDuration(silence)} must be more than heartbeat.every, ${formatDuration(every)}`;
  return [problem([...path, "silence"], message)];
}

function lintExits(restart: unknown, path: Path): Problem[] {
  return members(restart, "exits").flatMap(([end]) => refuse([...path, end], endProblem(end)));
}

function endProblem(end: string): string | undefined {
  if (/^(0|[1-9][0-9]{0,2})$/.test(end) && Number(end) <= 255) return undefined;
  if (endingSignals.some((signal) => signal === end)) return undefined;
  return "must be an exit code from 0 to 255, or a signal that ends a process, such as SIGUSR1";
}

function lintRestart(restart: unknown, path: Path): Problem[] {
  if (!isRecord(restart)) return [];
  const backoff = restart.backoff ?? {};
  const initial = durationOf(get(backoff, "initial") ?? lintDefaults.initial);
  const max = durationOf(get(backoff, "max") ?? lintDefaults.max);
  const within = durationOf(restart.within ?? lintDefaults.within);
  const factor = get(backoff, "factor") ?? lintDefaults.factor;
  const jitter = get(backoff, "jitter") ?? lintDefaults.jitter;
  const attempts = restart.attempts ?? lintDefaults.attempts;
  const kind = get(backoff, "kind") ?? lintDefaults.kind;
  if (initial === undefined || max === undefined) return [];
  if (max < initial) {
    const message = `${formatDuration(max)} is less than backoff.initial, ${formatDuration(initial)}`;
    return [problem([...path, "backoff", "max"], message)];
  }
  if (within === undefined || !isNumber(factor) || !isNumber(jitter) || !isNumber(attempts)) return [];
  const least = shortestSpan({ kind, initial, max, factor, jitter }, attempts);
  if (least < within) return [];
  const message =
    `${attempts} failures cannot happen within ${formatDuration(within)}: ` +
    `the delays between them add up to at least ${formatDuration(roughly(least))}`;
  return [problem([...path, "attempts"], message)];
}

/** Rounded down to a readable number. */
function roughly(milliseconds: number): number {
  const step = milliseconds < 10_000 ? 1 : 1000;
  return Math.floor(milliseconds / step) * step;
}

interface Backoff {
  /** What is no kind is refused by the schema. */
  readonly kind: unknown;
  readonly initial: number;
  readonly max: number;
  readonly factor: number;
  readonly jitter: number;
}

/** Milliseconds from the first to the last of `attempts` failures when the agent always fails at once. */
function shortestSpan({ kind, initial, max, factor, jitter }: Backoff, attempts: number): number {
  if (kind === "immediate") return 0;
  let total = 0;
  let delay = initial;
  // The schema allows 1,000 attempts; what is beyond is refused there.
  for (let restart = 1; restart < Math.min(attempts, 1000); restart += 1) {
    total += Math.min(delay, max) * (1 - jitter);
    if (kind === "linear") delay += initial;
    else if (kind !== "fixed") delay *= factor;
  }
  return total;
}

function sharedHealthUrls(agents: readonly (readonly [string, unknown])[], path: Path): Problem[] {
  const owners = new Map<string, string>();
  return agents.flatMap(([name, agent]) => {
    const url = get(get(agent, "health"), "http");
    const key = typeof url === "string" ? healthUrlKey(url) : undefined;
    if (key === undefined) return [];
    const owner = owners.get(key);
    owners.set(key, owner ?? name);
    if (owner === undefined) return [];
    const message = `is also the URL of the agent ${quoteName(owner)}: a probe would not tell the two apart`;
    return [problem([...path, name, "health", "http"], message)];
  });
}

function refuse(path: Path, message: string | undefined): Problem[] {
  return message === undefined ? [] : [{ ...problem(path, message), code: "CONFIG_E_NAME" }];
}

function problem(path: Path, message: string): Problem {
  return { path: formatPath(path), message };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function get(value: unknown, key: string): unknown {
  return isRecord(value) ? value[key] : undefined;
}

function members(value: unknown, key: string): [string, unknown][] {
  const record = get(value, key);
  return isRecord(record) ? Object.entries(record) : [];
}

function durationOf(value: unknown): number | undefined {
  const parsed = typeof value === "string" ? parseDuration(value) : undefined;
  return parsed?.ok ? parsed.value : undefined;
}
