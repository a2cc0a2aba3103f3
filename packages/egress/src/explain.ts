import { type AgentEgress, type EgressMode, formatRule, type ScopedRule } from "@daruma/config";
import type { AddressClass } from "./address.ts";
import { type Decision, decide, type Reason } from "./decide.ts";
import { formatTarget, parseTarget } from "./target.ts";

/** A decision as it is told to a person or a program: by the proxy, in the ledger, and by `agentctl egress explain`. */
export interface Explanation {
  readonly decision: "allow" | "deny";
  readonly reason: Reason;
  readonly rule: ExplainedRule | null;
  /** The target in normal form; `null` for what is none. */
  readonly target: string | null;
  /** One sentence. */
  readonly message: string;
  readonly address?: { readonly address: string; readonly class: AddressClass };
}

export interface ExplainedRule {
  /** As a fleet file has it, normalised: `*.s3.amazonaws.com:443`. */
  readonly entry: string;
  /** Whose list it is in. */
  readonly scope: ScopedRule["scope"];
}

/** Reads a target and judges it, as egressd does before it resolves a name. */
export function explainTarget(policy: AgentEgress | null, text: string): Explanation {
  const parsed = parseTarget(text);
  if (!parsed.ok) {
    const message = `the target ${parsed.problem}`;
    return { decision: "deny", reason: "invalid-target", rule: null, target: null, message };
  }
  return explain(decide(policy, parsed.target), formatTarget(parsed.target));
}

/** @param target in normal form */
export function explain(decision: Decision, target: string): Explanation {
  const { rule, address } = decision;
  const explained = rule === null ? null : { entry: formatRule(rule), scope: rule.scope };
  return {
    decision: decision.decision,
    reason: decision.reason,
    rule: explained,
    target,
    message: sentence(decision, target, explained),
    ...(address === undefined ? {} : { address }),
  };
}

/** What an operator would have to write for a target to be allowed, or why nothing would help. */
export function remedyFor({ reason, rule, target, address }: Explanation): string {
  switch (reason) {
    case "denied":
      return `Ask the operator whether ${rule?.entry ?? "the rule"} has to be denied (egress.deny of the ${rule?.scope}).`;
    case "not-allowed":
    case "port-not-allowed":
      return `Ask the operator to add ${JSON.stringify(target)} to the agent's egress.`;
    case "address-not-public":
      return `Ask the operator to allow the address by its network ({ cidr: "${address?.address ?? ""}/…", port }), or the name with private: true.`;
    case "invalid-target":
      return "Send a host name or an address, and a port from 1 to 65535.";
    case "proxy-itself":
      return "Connect to the target itself.";
    case "sni-mismatch":
    case "sni-missing":
      return 'Use a TLS client that sends the host\'s own name (SNI), or ask the operator for protocol: "tcp" there.';
    case "wrong-protocol":
      return 'Speak the protocol that the rule names, or ask the operator for protocol: "tcp" there.';
    case "allowed":
    case "unrestricted":
      return "Nothing has to be done.";
  }
}

function sentence({ reason, address }: Decision, target: string, rule: ExplainedRule | null): string {
  const where = rule === null ? "" : `${rule.entry} (${rule.scope})`;
  switch (reason) {
    case "allowed":
      return `${target} is allowed by ${where}`;
    case "unrestricted":
      return `${target} is allowed: nothing is said about what the agent may reach`;
    case "denied":
      return `${target} is denied by ${where}`;
    case "not-allowed":
      return `${target} is on no list of what the agent may reach`;
    case "port-not-allowed":
      return `${target} is allowed on another port only, by ${where}`;
    case "address-not-public":
      return `${target} leads to ${address?.address}, which is not public (${address?.class})`;
    case "proxy-itself":
      return `${target} leads back to egressd`;
    case "invalid-target":
      return `${target} is no target`;
    case "sni-mismatch":
    case "sni-missing":
    case "wrong-protocol":
      return `${target} is not spoken to as ${where} says`;
  }
}

/** Whether a decision is carried out: `observe` only records what would be refused. */
export function isRefused(mode: EgressMode, { decision }: Pick<Decision, "decision">): boolean {
  return decision === "deny" && mode === "enforce";
}
