import { type Action, nullable, number, optional, text, texts } from "./action-fields.ts";

const rollback = text("joins the entries of one rollback");
const from = text("path of the generation that it leaves");

/** What becomes of generations, and why. */
export const generationActions: Readonly<Record<string, Action>> = {
  "generation.deploy": {
    means: "A person deploys a generation.",
    subject: "generation",
    details: { from: nullable(from), fromNumber: nullable(number("its number")) },
  },
  "generation.switch": {
    means: "Another generation is current.",
    subject: "generation",
    details: {
      number: number("its number"),
      from: nullable(from),
      fromNumber: nullable(number("its number")),
      why: text("first, return (to one that is known-good) or deploy"),
      added: texts("agents"),
      changed: texts("agents"),
      removed: texts("agents"),
    },
  },
  "generation.promote": {
    means:
      "Its probation is over and its files are whole. It is made known-good as soon as the ledger has this entry.",
    subject: "generation",
    details: { number: number("its number") },
  },
  "generation.known-good": {
    means: "It has lasted through its probation.",
    subject: "generation",
    details: { number: number("its number"), probationMs: number("how long that was") },
  },
  "generation.promotion-failed": {
    means: "It could not be marked known-good, or not be read before that. It is tried again.",
    subject: "generation",
    details: { message: text("what happened") },
  },
  "generation.damaged": {
    means: "Its files are not what they were.",
    subject: "generation",
    details: { problems: texts("each one") },
  },
  "generation.rollback-request": {
    means: "A person asks for a rollback.",
    subject: "generation",
    details: { from, number: number("number of the target") },
  },
  "generation.rollback": {
    means: "A rollback begins. The subject is where it goes.",
    subject: "generation",
    details: {
      rollback,
      by: text("policy, operator or watchd-failed"),
      from,
      fromNumber: optional(nullable(number("its number"))),
      toNumber: optional(nullable(number("number of the target"))),
      agent: optional(nullable(text("that caused it"))),
      attempt: optional(number("how many-eth")),
      problems: optional(texts("why the attempt before has failed")),
    },
  },
  "generation.rolled-back": {
    means: "The target is current.",
    subject: "generation",
    details: {
      rollback,
      from,
      tookMs: optional(number("from the decision")),
      by: optional(text("watchd-failed, if it was done without watchd; reboot, if by a reboot")),
      verdict: optional(text("what the rollback program found")),
    },
  },
  "generation.rollback-failed": {
    means: "The switch did not come about.",
    subject: "generation",
    details: {
      rollback,
      problems: texts("each one"),
      stillOn: optional(text("path of the generation that stays")),
    },
  },
  "generation.rollback-abandoned": {
    means: "Somebody switched meanwhile; their word counts.",
    subject: "generation",
    details: { rollback, why: text("the reason") },
  },
  "generation.quarantine": {
    means: "It will not be deployed again unless a person allows it.",
    subject: "generation",
    details: { agent: nullable(text("that failed in it")), digest: text("digest of that agent") },
  },
  "generation.allow": { means: "A person lifts its quarantine.", subject: "generation", details: {} },
};
