import { type Action, nullable, number, optional, text, texts } from "./action-fields.ts";

const target = text(
  'host and port in normal form; "" for what is none, "(others)" for those beyond what one agent may fill the ledger with',
);
const via = text("connect, http, socks or forward");
const times = number("how often, since the last entry about the same");
const since = optional(text("beginning of the time that is summed up (RFC 3339)"));
const lost = optional(number("entries before this one that could not be kept until the ledger took them"));

const denial = {
  target,
  reason: text("the code of `agentctl egress explain`"),
  rule: nullable(text("the entry that decided, and whose it is")),
  message: text("one sentence"),
  via,
  address: optional(text("the address that is not public")),
  addressClass: optional(text("loopback, private, metadata, …")),
  times,
  since,
  lost,
};

/** What egressd writes. Hosts, bytes and times; never what was said. */
export const egressActions: Readonly<Record<string, Action>> = {
  "egress.deny": {
    means: "It was refused a connection.",
    subject: "agent, or routine:NAME",
    details: denial,
  },
  "egress.would-deny": {
    means: "It was let through to what its rules refuse, since nothing is enforced where it runs.",
    subject: "agent, or routine:NAME",
    details: denial,
  },
  "egress.connect": {
    means: "It reached something that it may.",
    subject: "agent, or routine:NAME",
    details: {
      target,
      via,
      connections: number("that ended in this time"),
      sentBytes: number("by the agent"),
      receivedBytes: number("by the agent"),
      durationMs: number("of all of them together"),
      since,
      lost,
    },
  },
  "egress.fail": {
    means: "What it may reach did not answer.",
    subject: "agent, or routine:NAME",
    details: {
      target,
      code: text("dns-timeout, no-such-name, refused, connect-timeout, unreachable, …"),
      via,
      times,
      since,
      lost,
    },
  },
  "egress.self-test": {
    means: "It was tried from inside its sandbox what it can reach past its proxy.",
    subject: "agent, or routine:NAME",
    details: {
      outcome: text("passed, open (there is a way out) or unclear (it is tried again)"),
      ways: number("that had to be closed"),
      problems: texts("what was not as it has to be"),
      lost,
    },
  },
  "egress.rules": {
    means: "egressd works by other rules from now on.",
    subject: "daemon",
    details: {
      agents: texts("that are confined"),
      cut: number("connections that the new rules do not allow any longer"),
      lost,
    },
  },
};
