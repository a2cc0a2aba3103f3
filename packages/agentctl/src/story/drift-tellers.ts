import type { Entry } from "@daruma/ledger";
import { list, ms, text } from "./words.ts";

type Details = Entry["details"];

/** What the actions of drift say to a person. */
export const driftTellers: Readonly<Record<string, (details: Details, entry: Entry) => string>> = {
  "drift.found": (d, { subject }) => `${subject} is not as declared: ${list(d.diff)}`,
  "drift.fix-request": () => "a person asks for everything to be put right",
  "drift.correct": (d, { subject }) => `${subject} is put right (${text(d.by)}): ${text(d.remedy)}`,
  "drift.corrected": (d, { subject }) =>
    `${subject} is as declared again, put right by ${text(d.by)} in ${ms(d.tookMs)}`,
  "drift.correction-failed": (d, { subject }) => `${subject} could not be put right: ${list(d.problems)}`,
  "drift.gone": (d, { subject }) => `${subject} differs no more after ${ms(d.afterMs)}: ${text(d.why)}`,
  "drift.hold": (d, { subject }) => `${subject} is left as it is: ${text(d.why)}`,
};
