import { Schema } from "effect";
import { choice, duration, size, text, wholeNumber } from "../codecs.ts";
import { defaulted, optional } from "../option.ts";
import {
  cidrProblem,
  type EntryUse,
  entryObjectProblem,
  entryTextProblem,
  hostPatternProblem,
} from "./entry.ts";
import { egressModes, egressProtocols } from "./rule.ts";

const port = wholeNumber(1, 65535);
const flag = Schema.Boolean.annotate({ expected: "true or false" });

const allowText = entryText("allow");
const denyText = entryText("deny");

function entryText(use: EntryUse) {
  return text("a string", (value) => entryTextProblem(value, use));
}

function hostText(use: EntryUse) {
  return text("a string", (value) => hostPatternProblem(value, use));
}

function cidrText(use: EntryUse) {
  return text("a string", (value) => cidrProblem(value, use));
}

const AllowHostSchema = Schema.Struct({
  host: hostText("allow"),
  port,
  protocol: Schema.optionalKey(choice(egressProtocols)),
  private: Schema.optionalKey(flag),
  forward: Schema.optionalKey(wholeNumber(1024, 65535)),
});
const AllowNetworkSchema = Schema.Struct({ cidr: cidrText("allow"), port });

const DenyHostSchema = Schema.Struct({ host: hostText("deny"), port: Schema.optionalKey(port) });
const DenyNetworkSchema = Schema.Struct({ cidr: cidrText("deny"), port: Schema.optionalKey(port) });

/** Entries of a list of what may be reached. */
export const AllowSchema = Schema.Array(
  Schema.Union([allowText, AllowHostSchema, AllowNetworkSchema]).annotate({
    expected: 'an entry such as "api.example.com:443", {host, port, ...} or {cidr, port}',
    explain: (entry) => entryObjectProblem(entry, "allow"),
  }),
).annotate({ expected: "a list of entries" });

/** Entries of a list of what may not be reached. */
export const DenySchema = Schema.Array(
  Schema.Union([denyText, DenyHostSchema, DenyNetworkSchema]).annotate({
    expected: 'an entry such as "paste.example.com", {host} or {cidr}',
    explain: (entry) => entryObjectProblem(entry, "deny"),
  }),
).annotate({ expected: "a list of entries" });

const LimitsSchema = Schema.Struct({
  connections: defaulted(wholeNumber(1, 100_000), {
    description: "Connections of one agent at the same time.",
    default: 512,
  }),
  idle: defaulted(duration("1s", "1d"), {
    description: "How long a connection may carry nothing.",
    default: "10m",
  }),
  bytes: optional(size("1KiB", "1024TiB"), {
    description: "What one connection may carry, both ways together. Without it: any amount.",
    example: "10GiB",
  }),
}).annotate({ expected: "an object" });

const allow = defaulted(AllowSchema, {
  description: "What every agent may reach beside what it lists itself.",
  default: [],
  example: ["cache.example.com:443"],
});
const deny = defaulted(DenySchema, {
  description: "What no agent may reach, whatever else allows it.",
  default: [],
  example: ["*.pastebin.example", { cidr: "203.0.113.0/24" }],
});

/** `egress` of a host. */
export const HostEgressSchema = Schema.Struct({
  mode: defaulted(choice(egressModes), {
    description: "Whether what the rules refuse is refused, or only recorded.",
    default: "enforce",
  }),
  allow,
  deny,
  limits: defaulted(LimitsSchema, { description: "Limits of the proxy for each agent.", default: {} }),
}).annotate({ expected: "an object" });

/** `egress` of the fleet. */
export const FleetEgressSchema = Schema.Struct({ allow, deny }).annotate({ expected: "an object" });
