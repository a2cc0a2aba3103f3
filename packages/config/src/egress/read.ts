import {
  fields,
  flag,
  list,
  nonEmptyText,
  nullable,
  oneOf,
  type Reader,
  reading,
  ShapeError,
  whole,
} from "../shape.ts";
import {
  type EgressLimits,
  type EgressManifest,
  egressModes,
  egressProtocols,
  type HostRule,
  type NetworkRule,
  type ScopedRule,
} from "./rule.ts";

const port = nullable(whole(1, 65535));
const scope = oneOf(["agent", "host", "fleet"]);

const readHostRule = fields<HostRule & Pick<ScopedRule, "scope">>({
  host: nonEmptyText,
  port,
  protocol: oneOf(egressProtocols),
  private: flag,
  forward: port,
  scope,
});

const readNetworkRule = fields<NetworkRule & Pick<ScopedRule, "scope">>({ cidr: nonEmptyText, port, scope });

const ruleSchema = { anyOf: [readNetworkRule.schema, readHostRule.schema] };
const readRule = reading(ruleSchema, (value, path): ScopedRule => {
  if (typeof value !== "object" || value === null) throw new ShapeError(path, "must be an object");
  return "cidr" in value ? readNetworkRule(value, path) : readHostRule(value, path);
});

/** Reads the rules of one agent out of a manifest. */
export const readEgress: Reader<EgressManifest> = fields<EgressManifest>({
  port: whole(1, 65535),
  mode: oneOf(egressModes),
  allow: list(readRule),
  deny: list(readRule),
  limits: fields<EgressLimits>({ connections: whole(1), idleMs: whole(1), bytes: nullable(whole(1)) }),
});
