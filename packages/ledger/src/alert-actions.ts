import { type Action, boolean, number, optional, text } from "./action-fields.ts";

const message = text("id of the message; empty where none was made yet");
const told = {
  message,
  key: text("names the condition: HOST/agent/NAME, HOST/digest/N, …"),
  state: text("open, over, event or test"),
  title: text("its first line"),
  attempts: number("that it took"),
  members: optional(number("of a digest: how many alerts it is about")),
  unlisted: optional(number("how many of them were too many to be kept one by one, and were counted only")),
  insteadOf: optional(text("the sink in whose place it was sent")),
} as const;

/** What becomes of what people are told. No secret is in any of it. */
export const alertActions: Readonly<Record<string, Action>> = {
  "alert.sent": {
    means: "A sink has taken a message.",
    subject: "sink",
    details: { ...told, providerId: optional(text("the name that the service has given it")) },
  },
  "alert.failed": {
    means: "A message will not be delivered.",
    subject: "sink",
    details: { ...told, why: text("what the service said, or that it was given up") },
  },
  "alert.delayed": {
    means: "A sink does not take messages; they are kept, and tried again.",
    subject: "sink",
    details: {
      message,
      key: text("names the condition"),
      why: text("what happened"),
      retryInMs: number("until the next attempt"),
      denied: boolean("whether the sink is set up wrongly, as far as can be told"),
    },
  },
  "alert.unlisted": {
    means:
      "More alerts wait for a sink than are kept one by one. From here on the least severe are counted only, until the next digest, which says how many they are.",
    subject: "sink",
    details: {
      key: text("names the first that is counted only"),
      title: text("its first line"),
      kept: number("how many are kept"),
    },
  },
  "alert.restored": {
    means: "A sink takes messages again.",
    subject: "sink",
    details: { failures: number("attempts that had failed"), afterMs: number("since the first of them") },
  },
  "alert.heartbeat": {
    means: "The monitor of the dead man's switch is not asked or not reached, or is again.",
    subject: "sink",
    details: { outcome: text("failing or restored"), why: optional(text("what happened")) },
  },
};
