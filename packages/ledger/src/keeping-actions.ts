import { type Action, nullable, number, object, optional, text, texts } from "./action-fields.ts";

/** What is done to the ledger itself. */
export const keepingActions: Readonly<Record<string, Action>> = {
  "ledger.prune": {
    means: "The oldest entries are to be pruned, and are from then on. Written before anything is.",
    subject: "ledger",
    details: {
      from: number("the first entry that goes"),
      through: number("the last one"),
      hash: text("hash of the last one"),
      before: text("what was asked for: entries earlier than this (RFC 3339)"),
      reason: text("why, as the person says"),
    },
  },
  "ledger.erase": {
    means: "Payloads are to be erased, and are from then on. Written before anything is.",
    subject: "ledger",
    details: {
      seqs: texts("numbers of the entries whose payloads they are"),
      reason: text("why, as the person says"),
    },
  },
  "ledger.accept-loss": {
    means: "The ledger was damaged, and goes on without what did not verify. Written by ledgerd itself.",
    subject: "ledger",
    details: {
      lost: nullable(object("{from, to}: the entries that are gone")),
      lostHead: nullable(text("hash of the last of them that is known")),
      signed: number("how many entries the last checkpoint was over"),
      why: text("what did not verify"),
      setAside: nullable(text("where the damaged files are, below the ledger's directory")),
      key: text("kept or replaced"),
      pruned: optional(number("up to which entry the ledger had been pruned, if it had")),
    },
  },
};
