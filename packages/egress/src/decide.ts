import { type AgentEgress, type EgressProtocol, isNetwork, type ScopedRule } from "@daruma/config";
import { type AddressClass, classOf, embeddedAddress, isWithin } from "./address.ts";
import type { Target } from "./target.ts";

/*
 * The decision, and nothing else: no I/O, no state. egressd asks twice, by the target before it resolves a name and by the
 * addresses before it dials one; `agentctl egress explain` asks the same functions.
 */

/** Why. Codes are stable; they are in the ledger, in answers of the proxy and in `agentctl egress explain`. */
export type Reason =
  /** A rule allows it. */
  | "allowed"
  /** Nobody has said anything about what the agent may reach. */
  | "unrestricted"
  /** A rule denies it, whatever else allows it. */
  | "denied"
  /** No rule allows it. */
  | "not-allowed"
  /** The host is allowed, on other ports. */
  | "port-not-allowed"
  /** It is, or leads to, an address that is not public. */
  | "address-not-public"
  /** What the client sent is no target. */
  | "invalid-target"
  /** It leads back to egressd. */
  | "proxy-itself"
  /** The TLS client asks for another host than it was connected to. */
  | "sni-mismatch"
  /** The TLS client names no host. */
  | "sni-missing"
  /** The first bytes are not of the protocol that the rule names. */
  | "wrong-protocol";

export interface Decision {
  readonly decision: "allow" | "deny";
  readonly reason: Reason;
  /** The rule that decided; null where it was the lack of one. */
  readonly rule: ScopedRule | null;
  /** What is or leads to an address that is not public. */
  readonly address?: { readonly address: string; readonly class: AddressClass };
}

/** Judges a target before anything is looked up: names that are not allowed are not even resolved. */
export function decide(policy: AgentEgress | null, target: Target): Decision {
  if (policy === null) return { decision: "allow", reason: "unrestricted", rule: null };
  const denial = policy.deny.find((rule) => denies(rule, target));
  if (denial !== undefined) return { decision: "deny", reason: "denied", rule: denial };
  const rule = ruleFor(policy, target);
  if (rule !== undefined) {
    const allowed: Decision = { decision: "allow", reason: "allowed", rule };
    return target.host.kind === "name" ? allowed : judge(policy, target, allowed, [target.host.address]);
  }
  if (target.host.kind === "address") {
    const { address } = target.host;
    const found = classOf(address);
    if (found !== "public") return notPublic(null, address, found);
  }
  const elsewhere = policy.allow.find((each) => matchesHost(each, target));
  if (elsewhere !== undefined) return { decision: "deny", reason: "port-not-allowed", rule: elsewhere };
  return { decision: "deny", reason: "not-allowed", rule: null };
}

/**
 * Judges the addresses that an allowed name has led to: all of them are public, or were asked for. One that is not condemns
 * all: an answer that mixes them is no honest answer.
 *
 * @param addresses normalised; an empty list is not asked about
 */
export function decideAddresses(
  policy: AgentEgress | null,
  target: Target,
  addresses: readonly string[],
): Decision {
  const decision = decide(policy, target);
  if (policy === null || decision.decision === "deny") return decision;
  return judge(policy, target, decision, addresses);
}

function judge(
  policy: AgentEgress,
  target: Target,
  allowed: Decision,
  addresses: readonly string[],
): Decision {
  const { port } = target;
  for (const address of addresses) {
    const denial = policy.deny.find(
      (rule) => isNetwork(rule) && isPort(rule, port) && reaches(rule.cidr, address),
    );
    if (denial !== undefined) return { decision: "deny", reason: "denied", rule: denial };
  }
  for (const address of addresses) {
    const found = classOf(address);
    if (found === "public" || isNamed(policy, address, port)) continue;
    if (mayBePrivate(found) && policy.allow.some((rule) => isPrivateRule(rule) && matches(rule, target)))
      continue;
    return notPublic(allowed.rule, address, found);
  }
  return allowed;
}

/** What the first bytes to an allowed target have to be. An address has no name that a ClientHello could be held against. */
export function protocolFor({ rule }: Decision, target: Target): EgressProtocol {
  if (rule === null || isNetwork(rule)) return "tcp";
  return rule.protocol === "tls" && target.host.kind === "address" ? "tcp" : rule.protocol;
}

/** The rule that allows a target, the most particular of them: an exact name, then the longest wildcard. */
function ruleFor(policy: AgentEgress, target: Target): ScopedRule | undefined {
  const matching = policy.allow.filter((rule) => matches(rule, target));
  const [first, ...others] = matching;
  return others.reduce((best, rule) => (rank(rule) > rank(best ?? rule) ? rule : best), first);
}

function rank(rule: ScopedRule): number {
  if (isNetwork(rule)) return Number(rule.cidr.split("/")[1]);
  return rule.host.startsWith("*.") ? rule.host.length : 1000;
}

function denies(rule: ScopedRule, target: Target): boolean {
  if (target.host.kind === "name" || !isNetwork(rule)) return matches(rule, target);
  return isPort(rule, target.port) && reaches(rule.cidr, target.host.address);
}

function matches(rule: ScopedRule, target: Target): boolean {
  return isPort(rule, target.port) && matchesHost(rule, target);
}

function matchesHost(rule: ScopedRule, { host }: Target): boolean {
  if (isNetwork(rule)) return host.kind === "address" && isWithin(host.address, rule.cidr);
  if (host.kind === "address") return rule.host === host.address;
  return matchesName(rule.host, host.name);
}

/** `*.x` is every name below x, however deep, and not x itself. */
export function matchesName(pattern: string, name: string): boolean {
  return pattern.startsWith("*.")
    ? name.length >= pattern.length && name.endsWith(pattern.slice(1))
    : name === pattern;
}

function isPort(rule: ScopedRule, port: number): boolean {
  return rule.port === null || rule.port === port;
}

/** A denied network is denied also where a packet to another address would end up in it. */
function reaches(cidr: string, address: string): boolean {
  const inner = embeddedAddress(address);
  return isWithin(address, cidr) || (inner !== null && isWithin(inner, cidr));
}

function isNamed(policy: AgentEgress, address: string, port: number): boolean {
  return policy.allow.some((rule) => isNetwork(rule) && isPort(rule, port) && isWithin(address, rule.cidr));
}

function isPrivateRule(rule: ScopedRule): boolean {
  return !isNetwork(rule) && rule.private;
}

/**
 * What `private: true` does not cover: the metadata service, which answers to whoever asks, has to be named by its address;
 * nobody means the others.
 */
function mayBePrivate(found: AddressClass): boolean {
  return found !== "metadata" && found !== "unspecified" && found !== "multicast";
}

function notPublic(rule: ScopedRule | null, address: string, found: AddressClass): Decision {
  return { decision: "deny", reason: "address-not-public", rule, address: { address, class: found } };
}
