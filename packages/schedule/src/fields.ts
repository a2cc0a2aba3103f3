import { suggest } from "@daruma/base";

/*
 * The fields of an expression, and which text is a value of each. cron-parser is lenient where that can hide a mistake (it
 * reads `JANFEB` as December, fills in fields that are missing, takes `?` anywhere), so everything is held against this
 * grammar before it gets there.
 */
export const fieldNames = ["second", "minute", "hour", "day of month", "month", "day of week"] as const;
export type FieldName = (typeof fieldNames)[number];

interface FieldShape {
  readonly min: number;
  readonly max: number;
  /** How many different values there are: a longer step cannot mean what it says. */
  readonly span: number;
  readonly names: readonly string[];
}

export const fieldShapes: Readonly<Record<FieldName, FieldShape>> = {
  second: { min: 0, max: 59, span: 60, names: [] },
  minute: { min: 0, max: 59, span: 60, names: [] },
  hour: { min: 0, max: 23, span: 24, names: [] },
  "day of month": { min: 1, max: 31, span: 31, names: [] },
  month: {
    min: 1,
    max: 12,
    span: 12,
    names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
  },
  // 0 and 7 are both Sunday.
  "day of week": { min: 0, max: 7, span: 7, names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] },
};

/** An item of a list that needs no calendar: `*`, `5`, `1-5`, `5/15`, `H(0-29)/10`. Names are numbers by then, letters are capitals. */
const plainItem = /^(?:\*|H(?:\((\d{1,4})-(\d{1,4})\))?|(\d{1,4})(?:-(\d{1,4}))?)(?:\/(\d{1,4}))?$/;

/** What is wrong with a plain item, as the end of a sentence that names the field; undefined if nothing is. */
export function plainItemProblem(field: FieldName, item: string): string | undefined {
  const { min, max, span } = fieldShapes[field];
  const parts = plainItem.exec(item);
  if (parts === null) return formProblem(field, item);
  const [hashFrom, hashTo, from, to, step] = parts.slice(1).map((part) => (part ? Number(part) : undefined));
  for (const value of [hashFrom, hashTo, from, to]) {
    if (value !== undefined && (value < min || value > max)) return `${value} is not within ${min} to ${max}`;
  }
  for (const [low, high] of [
    [hashFrom, hashTo],
    [from, to],
  ]) {
    if (low !== undefined && high !== undefined && low > high)
      return `the range ${low}-${high} runs backwards`;
  }
  if (step === 0) return "a step of 0 never gets anywhere";
  if (step !== undefined && step > span) {
    return `a step of ${step} is longer than the field, which has ${span} values`;
  }
  return undefined;
}

function formProblem(field: FieldName, item: string): string {
  if (item === "") return "there is an empty item in the list";
  const { names } = fieldShapes[field];
  const word = /[A-Z]+/.exec(item)?.[0];
  if (word !== undefined && word.length > 1 && names.length > 0 && !names.includes(word)) {
    const meant = names.find((name) => word.startsWith(name)) ?? suggest(word, names);
    return `${JSON.stringify(word)} is no name${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  }
  return `${JSON.stringify(item)} is not a value, a range or a step`;
}

/** An item with the names of its field as numbers. A range may end with Sunday, which is 7 there. */
export function withoutNames(field: FieldName, item: string): string {
  const { names, min } = fieldShapes[field];
  return item.replace(/[A-Z]{3,}/g, (word, at: number) => {
    const index = names.indexOf(word);
    if (index < 0) return word;
    if (field === "day of week" && index === 0 && item[at - 1] === "-") return "7";
    return String(index + min);
  });
}
