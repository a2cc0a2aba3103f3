import type { Problem } from "@daruma/base";
import { Result, Schema } from "effect";
import { configErrors, located } from "./catalogue.ts";
import type { Fleet } from "./fleet.ts";
import { lintFleet } from "./lints.ts";
import { type PlainData, toPlain } from "./plain.ts";
import { problemsOf } from "./problems.ts";
import { type DecodedAgent, resolveFleet } from "./resolve.ts";
import { AgentSchema, FleetSchema } from "./schema.ts";
import { agentSharing, shareAgents } from "./shared-agents.ts";

export type Decoded =
  | { readonly ok: true; readonly fleet: Fleet }
  | { readonly ok: false; readonly problems: readonly [Problem, ...Problem[]] };

const options = { errors: "all", onExcessProperty: "error", reportInput: true } as const;
const decodeUnknown = Schema.decodeUnknownResult(FleetSchema, options);
const decodeAgent = Schema.decodeUnknownResult(AgentSchema, options);

/**
 * Decodes what a fleet file exports: checks everything, fills in defaults, turns measures into numbers. Reports all
 * problems at once, in the order of their paths.
 */
export function decodeFleet(input: unknown): Decoded {
  const plain = toPlain(input, agentSharing);
  if (!plain.isJson) return decodePlain(plain, decodeUnknown(plain.value));
  shareAgents(plain.value);
  return decodePlain(plain, decodeShared(plain.value) ?? decodeUnknown(plain.value));
}

/** `decodeFleet` without taking agents together that are written alike: the same result, which a test sees to. */
export function decodeWhole(input: unknown): Decoded {
  const plain = toPlain(input);
  return decodePlain(plain, decodeUnknown(plain.value));
}

function decodePlain(plain: PlainData, decoded: ReturnType<typeof decodeUnknown>): Decoded {
  const inSchema = Result.isFailure(decoded) ? problemsOf(decoded.failure.issue) : [];
  const found = combine(
    coded(plain.problems, "CONFIG_E_NOT_DATA"),
    inSchema,
    coded(lintFleet(plain.value), "CONFIG_E_CONFLICT"),
  );
  const [first, ...others] = found;
  if (first !== undefined) return { ok: false, problems: [first, ...others] };
  if (Result.isFailure(decoded)) throw new Error("the schema refused a fleet without saying why");
  return { ok: true, fleet: resolveFleet(decoded.success) };
}

/**
 * `decodeFleet` for callers that cannot go on without a fleet.
 *
 * @throws CONFIG_E_INVALID with all problems.
 */
export function parseFleet(input: unknown, where?: string): Fleet {
  const decoded = decodeFleet(input);
  if (decoded.ok) return decoded.fleet;
  const count = decoded.problems.length;
  const message = `the fleet has ${count === 1 ? "a problem" : `${count} problems`}`;
  throw configErrors.make("CONFIG_E_INVALID", message, { ...located(where), problems: decoded.problems });
}

/** Gives problems that do not say of what kind they are the code of what the pass looks for. */
function coded(problems: readonly Problem[], code: keyof typeof configErrors.catalogue): Problem[] {
  return problems.map((problem) => ({ code, ...problem }));
}

/** Merges what three passes found; of several findings at one place, the first pass knows best. */
function combine(...passes: (readonly Problem[])[]): Problem[] {
  const kept = new Map<string, Problem[]>();
  for (const pass of passes) {
    const taken = new Set(kept.keys());
    for (const each of pass) {
      if (taken.has(each.path)) continue;
      kept.set(each.path, [...(kept.get(each.path) ?? []), each]);
    }
  }
  const all = [...kept.values()].flat();
  return all.sort((a, b) => (a.path === b.path ? 0 : a.path < b.path ? -1 : 1));
}

/**
 * Decodes each agent once, on however many hosts it is. Undefined where anything is wrong: only the whole knows the paths.
 */
function decodeShared(fleet: unknown): ReturnType<typeof decodeUnknown> | undefined {
  if (!isRecord(fleet) || !isRecord(fleet.hosts)) return undefined;
  const known = new Map<unknown, DecodedAgent>();
  const agents = new Map<string, Record<string, DecodedAgent>>();
  const hosts = new Map<string, unknown>();
  for (const [name, host] of Object.entries(fleet.hosts)) {
    if (!isRecord(host) || !isRecord(host.agents)) return undefined;
    const own: [string, DecodedAgent][] = [];
    for (const [agentName, agent] of Object.entries(host.agents)) {
      const decoded = known.get(agent) ?? decodedAgent(agent);
      if (decoded === undefined) return undefined;
      known.set(agent, decoded);
      own.push([agentName, decoded]);
    }
    agents.set(name, Object.fromEntries(own));
    hosts.set(name, { ...host, agents: {} });
  }
  const rest = decodeUnknown({ ...fleet, hosts: Object.fromEntries(hosts) });
  if (Result.isFailure(rest)) return undefined;
  const whole = Object.entries(rest.success.hosts).map(
    ([name, host]) => [name, { ...host, agents: agents.get(name) ?? {} }] as const,
  );
  return Result.succeed({ ...rest.success, hosts: Object.fromEntries(whole) });
}

function decodedAgent(agent: unknown): DecodedAgent | undefined {
  const decoded = decodeAgent(agent);
  return Result.isFailure(decoded) ? undefined : decoded.success;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
