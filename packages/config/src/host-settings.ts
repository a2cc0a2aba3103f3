import type { Problem } from "@daruma/base";
import { decodeFleet } from "./decode.ts";
import { hostProxyPorts } from "./egress/ports.ts";
import { agentEgress, type EgressRule, routineSubject } from "./egress/rule.ts";
import { type HostSpec, hostSpecs } from "./host-spec.ts";
import type { AgentManifest, HostManifest } from "./manifest.ts";
import type { OptionField, OptionType } from "./option-type.ts";
import { hostFields } from "./options.ts";
import { formatPath } from "./paths.ts";

const root = "services.daruma";

/**
 * Holds the value of `services.daruma` on a NixOS host against all that is true of a host in a fleet file: types, ranges, names, and
 * settings that contradict each other. Whoever writes it by hand gets the same rules as whoever compiles it.
 *
 * @param settings the options as JSON; those that are not in a fleet file are left alone
 */
export function checkHostSettings(settings: unknown): readonly Problem[] {
  const read = readSettings(settings);
  return "problems" in read ? read.problems : [];
}

/**
 * Whether Nix made of the settings what agentctl would have made: no module may be of another release than the programs
 * that read its `host.json`. Only for settings without problems.
 */
export function checkHostManifest(settings: unknown, manifest: HostManifest): readonly Problem[] {
  const read = readSettings(settings);
  return "problems" in read
    ? read.problems
    : differences(judgedSpec(read.spec), judgedManifest(manifest), []);
}

function readSettings(
  settings: unknown,
): { readonly spec: HostSpec } | { readonly problems: readonly Problem[] } {
  if (!isRecord(settings) || typeof settings.host !== "string") {
    return { problems: [{ path: `${root}.host`, message: "must be the name of the host" }] };
  }
  const prefix = formatPath(["hosts", settings.host]);
  const decoded = decodeFleet(fleetOf(settings.host, settings));
  if (!decoded.ok) return { problems: decoded.problems.map((each) => inNix(each, prefix)) };
  const [spec] = hostSpecs(decoded.fleet);
  if (spec === undefined) throw new Error("a fleet of one host has a host");
  return { spec };
}

/** A fleet of this one host. Its rules of egress are taken apart again into the host's own and the fleet's. */
function fleetOf(host: string, settings: Readonly<Record<string, unknown>>): unknown {
  const given = fieldsOf(hostFields(), settings);
  const { egress } = given;
  if (!isRecord(egress)) return { hosts: { [host]: given } };
  const of = (scope: "host" | "fleet") => {
    const lists = ["allow", "deny"].map((key) => [key, rulesOf(egress[key], scope)] as const);
    return Object.fromEntries(lists.filter(([, rules]) => rules !== undefined));
  };
  return { hosts: { [host]: { ...given, egress: { ...egress, ...of("host") } } }, egress: of("fleet") };
}

function rulesOf(rules: unknown, scope: "host" | "fleet"): unknown {
  // What is no list is the host's mistake.
  if (!Array.isArray(rules)) return scope === "host" ? rules : undefined;
  const isFleets = (rule: unknown) => isRecord(rule) && rule.scope === "fleet";
  const wanted = rules.filter((rule) => isFleets(rule) === (scope === "fleet"));
  return wanted.map((rule: unknown) => {
    if (!isRecord(rule)) return rule;
    const { scope: _, ...rest } = rule;
    return rest;
  });
}

/** What an option of NixOS leaves open is null there, and is not there in a fleet file. */
function unset(type: OptionType, value: unknown): unknown {
  switch (type.kind) {
    case "fields":
      return isRecord(value) ? fieldsOf(type.fields, value, true) : value;
    case "record":
      return isRecord(value) ? mapValues(value, (each) => unset(type.values, each)) : value;
    case "list":
      return Array.isArray(value) ? value.map((each: unknown) => unset(type.rest, each)) : value;
    case "either":
      return isRecord(value) && type.of.some(({ kind }) => kind === "fields") ? withoutNulls(value) : value;
    default:
      return value;
  }
}

/** The fields that a fleet file knows; with `all`, also those that it does not, which it will refuse. */
function fieldsOf(
  fields: readonly OptionField[],
  settings: Readonly<Record<string, unknown>>,
  all = false,
): Record<string, unknown> {
  const known = fields.filter(({ name }) => name in settings && settings[name] !== null);
  const others = Object.keys(settings).filter((name) => all && fields.every((field) => field.name !== name));
  return {
    ...Object.fromEntries(known.map(({ name, type }) => [name, unset(type, settings[name])])),
    ...Object.fromEntries(others.map((name) => [name, settings[name]])),
  };
}

function withoutNulls(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null));
}

function inNix(problem: Problem, prefix: string): Problem {
  const own = problem.path.startsWith(prefix) ? problem.path.slice(prefix.length) : `.${problem.path}`;
  return { ...problem, path: `${root}${own}` };
}

/** The `host.json` that agentctl expects, but for digests, which only the machine that builds it knows. */
function judgedSpec({ host, system, watchdog, drift, egress, alerts, agents, routines }: HostSpec): unknown {
  const ports = hostProxyPorts({ egress, agents, routines });
  const ruled = (subject: string, own: readonly EgressRule[] | null) => {
    const policy = agentEgress(egress, own);
    return policy && { ...policy, port: ports.get(subject) };
  };
  return {
    ...{ schemaVersion: 1, host, system, watchdog, drift },
    agents: mapValues(agents, (agent, name) => ({ ...agent, egress: ruled(name, agent.egress) })),
    routines: mapValues(routines, (routine, name) => ({
      ...routine,
      egress: ruled(routineSubject(name), routine.egress),
    })),
    ...(alerts === null ? {} : { alerts }),
  };
}

function judgedManifest({ hostDigest: _, agents, routines, ...rest }: HostManifest): unknown {
  return { ...rest, agents: mapValues(agents, judgedAgent), routines: mapValues(routines, withoutDigest) };
}

function judgedAgent({ fallback, ...agent }: AgentManifest): unknown {
  return { ...withoutDigest(agent), ...(fallback && { fallback: withoutDigest(fallback) }) };
}

function withoutDigest<T extends { readonly digest: string }>({ digest: _, ...rest }: T): Omit<T, "digest"> {
  return rest;
}

function differences(expected: unknown, found: unknown, path: readonly string[]): Problem[] {
  if (isRecord(expected) && isRecord(found)) {
    const keys = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
    return keys.flatMap((key) => differences(expected[key], found[key], [...path, key]));
  }
  if (JSON.stringify(expected) === JSON.stringify(found)) return [];
  if (Array.isArray(expected) && Array.isArray(found) && expected.length === found.length) {
    return expected.flatMap((each: unknown, index) =>
      differences(each, found[index], [...path, String(index)]),
    );
  }
  const message = `is ${JSON.stringify(found)} in host.json, and should be ${JSON.stringify(expected)}: the modules and services.daruma.package are of different releases`;
  return [{ code: "CONFIG_E_MANIFEST", path: `host.json: ${formatPath(path)}`, message }];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  map: (value: T, key: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
