import { Schema } from "effect";
import { choice, duration, size, text, wholeNumber } from "../codecs.ts";
import { defaulted, optional, required } from "../option.ts";
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

const hostDoc = {
  description: "A host by its name, or `*.` and a name for all that is below it.",
  example: "api.example.com",
};
const cidrDoc = {
  description: "A network, for addresses and for names that lead there.",
  example: "10.0.0.0/8",
};
const allowPort = required(port, { description: "The port that may be reached.", example: 443 });
const denyPort = optional(port, { description: "The port. Without it: every port.", example: 25 });

const AllowHostSchema = Schema.Struct({
  host: required(hostText("allow"), hostDoc),
  port: allowPort,
  protocol: optional(choice(egressProtocols), {
    description:
      "What the first bytes of a connection have to be; `tcp`: anything. Without it: tls for port 443, else tcp.",
    example: "postgres",
  }),
  private: optional(flag, {
    description: "Whether the name may lead to an address that is not public. Without it: it may not.",
    example: true,
  }),
  forward: optional(wholeNumber(1024, 65535), {
    description:
      "A port of the loopback address that leads there without any proxy protocol. Without it: none.",
    example: 15432,
  }),
});
const AllowNetworkSchema = Schema.Struct({ cidr: required(cidrText("allow"), cidrDoc), port: allowPort });

const DenyHostSchema = Schema.Struct({ host: required(hostText("deny"), hostDoc), port: denyPort });
const DenyNetworkSchema = Schema.Struct({ cidr: required(cidrText("deny"), cidrDoc), port: denyPort });

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
    description: "Connections of one agent, or of all runs of one routine, at the same time.",
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
  description: "What every agent and routine may reach beside what it lists itself.",
  default: [],
  example: ["cache.example.com:443", { cidr: "10.0.0.0/8", port: 5432 }],
});
const deny = defaulted(DenySchema, {
  description: "What no agent and no routine may reach, whatever else allows it.",
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
  limits: defaulted(LimitsSchema, {
    description: "Limits of the proxy for each agent and routine.",
    default: {},
  }),
}).annotate({ expected: "an object" });

/** `egress` of the fleet. */
export const FleetEgressSchema = Schema.Struct({ allow, deny }).annotate({ expected: "an object" });
