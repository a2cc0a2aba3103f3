import type { Problem } from "@daruma/base";
import { parseSchedule } from "@daruma/schedule";
import { formatPath, type Path, quoteName } from "../paths.ts";
import { sinkNameProblem } from "./words.ts";

/* What the schema of one value cannot see: what a kind of sink needs, and names of sinks that there are not. */

interface Need {
  readonly required: readonly string[];
  readonly allowed: readonly string[];
  /** Schemes of its URL. */
  readonly schemes: readonly string[];
  readonly recipients: "none" | "one" | "some";
}

const https = ["https:", "http:"];
const own = ["kind", "credential", "url", "language", "fallback", "private"];

const needs: Readonly<Record<string, Need>> = {
  webhook: { required: ["url", "credential"], allowed: own, schemes: https, recipients: "none" },
  slack: { required: ["credential"], allowed: own, schemes: https, recipients: "none" },
  discord: { required: ["credential"], allowed: own, schemes: https, recipients: "none" },
  telegram: { required: ["credential"], allowed: [...own, "to"], schemes: https, recipients: "one" },
  pagerduty: { required: ["credential"], allowed: own, schemes: https, recipients: "none" },
  opsgenie: { required: ["credential"], allowed: own, schemes: https, recipients: "none" },
  whatsapp: {
    required: ["credential", "from", "template"],
    allowed: [...own, "from", "to", "template"],
    schemes: https,
    recipients: "one",
  },
  email: {
    required: ["url", "from"],
    allowed: [...own, "from", "to", "user"],
    schemes: ["smtps:", "smtp:"],
    recipients: "some",
  },
};

/** Problems of the alerts of one host, and of those of its agents and routines. */
export function lintAlerts(host: unknown, path: Path): Problem[] {
  const alerts = get(host, "alerts");
  const sinks = members(alerts, "sinks");
  const names = new Set(sinks.map(([name]) => name));
  const at = [...path, "alerts"];
  const lists = [
    { path: [...at, "to"], list: get(alerts, "to") },
    ...["agents", "routines"].flatMap((group) =>
      members(host, group).map(([name, each]) => ({
        path: [...path, group, name, "alerts", "to"],
        list: get(get(each, "alerts"), "to"),
      })),
    ),
  ];
  return [
    ...sinks.flatMap(([name, sink]) => lintSink(name, sink, sinks, [...at, "sinks", name])),
    ...lists.flatMap((each) => unknownNames(each.list, names, each.path)),
    ...lintQuiet(get(alerts, "quiet"), [...at, "quiet"]),
    ...lintSwitch(get(alerts, "deadMansSwitch"), [...at, "deadMansSwitch"]),
  ];
}

function lintSink(
  name: string,
  sink: unknown,
  sinks: readonly (readonly [string, unknown])[],
  path: Path,
): Problem[] {
  const badName = sinkNameProblem(name);
  const problems: Problem[] =
    badName === undefined ? [] : [{ ...problem(path, badName), code: "CONFIG_E_NAME" }];
  const kind = get(sink, "kind");
  const need = typeof kind === "string" && Object.hasOwn(needs, kind) ? needs[kind] : undefined;
  if (need !== undefined) problems.push(...lintKind(String(kind), sink, need, path));
  return [...problems, ...lintFallback(name, sink, sinks, path)];
}

/** A list of nobody is what an option of NixOS holds of which nothing was said. */
function isNothing(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function lintKind(kind: string, sink: unknown, need: Need, path: Path): Problem[] {
  const missing = need.required
    .filter((key) => get(sink, key) === undefined)
    .map((key) => problem([...path, key], `a sink of kind ${kind} needs one`));
  const odd = Object.keys(sink as object)
    .filter((key) => known.has(key) && !need.allowed.includes(key) && !isNothing(get(sink, key)))
    .map((key) => problem([...path, key], `means nothing for a sink of kind ${kind}`));
  const url = get(sink, "url");
  const scheme = typeof url === "string" ? URL.parse(url)?.protocol : undefined;
  const wrong =
    scheme === undefined || need.schemes.includes(scheme)
      ? []
      : [
          problem(
            [...path, "url"],
            `must begin with ${need.schemes.join(" or ")} for a sink of kind ${kind}`,
          ),
        ];
  return [...missing, ...odd, ...wrong, ...lintRecipients(kind, sink, need, path), ...lintLogin(sink, path)];
}

const known = new Set([...own, "from", "to", "user", "template"]);

function lintRecipients(kind: string, sink: unknown, need: Need, path: Path): Problem[] {
  const to = get(sink, "to") ?? [];
  if (!Array.isArray(to) || need.recipients === "none") return [];
  if (need.recipients === "one" && to.length !== 1)
    return [problem([...path, "to"], `a sink of kind ${kind} has exactly one recipient`)];
  if (to.length === 0) return [problem([...path, "to"], `a sink of kind ${kind} needs a recipient`)];
  if (kind !== "email") return [];
  return [
    ["from", get(sink, "from")] as const,
    ...to.map((each, index) => [`to.${index}`, each] as const),
  ].flatMap(([key, address]) =>
    typeof address !== "string" || /^[^\s@<>,;:"()[\]\\]+@[^\s@<>,;:"()[\]\\]+$/.test(address)
      ? []
      : [problem([...path, ...placeOf(key)], 'must be an address such as "oncall@example.com"')],
  );
}

function placeOf(key: string): Path {
  const [name = "", index] = key.split(".");
  return index === undefined ? [name] : [name, Number(index)];
}

/** A password without a name, or the other way round, would be silently not used. */
function lintLogin(sink: unknown, path: Path): Problem[] {
  if (get(sink, "kind") !== "email") return [];
  const [user, credential] = [get(sink, "user"), get(sink, "credential")];
  if ((user === undefined) === (credential === undefined)) return [];
  const missing = user === undefined ? "user" : "credential";
  return [problem([...path, missing], "a login needs both user and credential")];
}

function lintFallback(
  name: string,
  sink: unknown,
  sinks: readonly (readonly [string, unknown])[],
  path: Path,
): Problem[] {
  const next = new Map(sinks.map(([each, value]) => [each, get(value, "fallback")]));
  const at = [...path, "fallback"];
  const first = get(sink, "fallback");
  if (typeof first !== "string") return [];
  if (!next.has(first)) return [problem(at, `there is no sink ${quoteName(first)} on this host`)];
  const seen = new Set([name]);
  for (let each: unknown = first; typeof each === "string"; each = next.get(each)) {
    if (each === name) return [problem(at, "leads back to the sink itself")];
    if (seen.has(each)) return [];
    seen.add(each);
  }
  return [];
}

function unknownNames(list: unknown, names: ReadonlySet<string>, path: Path): Problem[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((name, index) => {
    if (typeof name !== "string") return [];
    if (!names.has(name))
      return [problem([...path, index], `there is no sink ${quoteName(name)} on this host`)];
    return list.indexOf(name) < index ? [problem([...path, index], "is named twice")] : [];
  });
}

function lintQuiet(quiet: unknown, path: Path): Problem[] {
  const timezone = get(quiet, "timezone");
  const zone =
    typeof timezone === "string" && !parseSchedule("* * * * *", { timezone, name: "quiet" }).ok
      ? [problem([...path, "timezone"], `${JSON.stringify(timezone)} is no time zone that is known here`)]
      : [];
  const [from, to] = [get(quiet, "from"), get(quiet, "to")];
  const empty = typeof from === "string" && from === to;
  return empty ? [...zone, problem([...path, "to"], "must be another time than from")] : zone;
}

function lintSwitch(deadMansSwitch: unknown, path: Path): Problem[] {
  const url = get(deadMansSwitch, "url");
  const parsed = typeof url === "string" ? URL.parse(url) : null;
  if (parsed === null) return [];
  if (!https.includes(parsed.protocol)) return [problem([...path, "url"], "must begin with https:")];
  const isOrigin = parsed.pathname === "/" && parsed.search === "";
  return isOrigin
    ? []
    : [problem([...path, "url"], "must be scheme and host only: the rest is in the credential")];
}

function problem(path: Path, message: string): Problem {
  return { path: formatPath(path), message };
}

function get(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Reflect.get(value, key)
    : undefined;
}

function members(value: unknown, key: string): [string, unknown][] {
  const record = get(value, key);
  return typeof record === "object" && record !== null && !Array.isArray(record)
    ? Object.entries(record)
    : [];
}
