import { type Action, number, text, texts } from "./action-fields.ts";

const kind = text("system, etc, unit, state, store, process or wall: what was compared");
const generation = text("path of the generation that declares it");
const by = text("policy, operator, or the unit that did it");
const afterMs = number("since it was first seen");

/** How a machine came to differ from its declaration, and what was done about it. Never what is in other people's files. */
export const driftActions: Readonly<Record<string, Action>> = {
  "drift.found": {
    means: "Something is not as the generation declares it.",
    subject: "place",
    details: {
      kind,
      generation,
      policy: text("report or correct"),
      diff: texts("lines as diff prints them: `- ` declared, `+ ` observed"),
      remedy: text("what puts it right"),
    },
  },
  "drift.fix-request": {
    means: "A person asks for everything to be put right.",
    subject: "generation",
    details: {},
  },
  "drift.correct": {
    means: "It is being put right.",
    subject: "place",
    details: {
      kind,
      generation,
      by,
      remedy: text("how"),
      attempt: number("how many-eth in the policy's window"),
    },
  },
  "drift.corrected": {
    means: "It was put right, and has been looked at since.",
    subject: "place",
    details: { kind, generation, by, tookMs: number("from the beginning of the correction"), afterMs },
  },
  "drift.correction-failed": {
    means: "It is still there after its correction.",
    subject: "place",
    details: {
      kind,
      generation,
      by,
      problems: texts("what went wrong"),
      tookMs: number("from the beginning of the correction"),
    },
  },
  "drift.gone": {
    means: "It is not there any more, and Daruma has not put it right.",
    subject: "place",
    details: { kind, generation, why: text("somebody else has, or another generation is current"), afterMs },
  },
  "drift.hold": {
    means: "It comes back: it is left as it is until it is gone, or a person wants it put right.",
    subject: "place",
    details: {
      kind,
      generation,
      tries: number("corrections in the policy's window"),
      why: text("the reason"),
    },
  },
};
