import { CronExpressionParser } from "cron-parser";
import { type Bits, bitsOf, noBits } from "./bits.ts";
import { type FieldName, fieldNames, plainItemProblem, withoutNames } from "./fields.ts";

/*
 * cron-parser turns ranges, steps and `H` into values; this is the only place that knows it. What those values mean in time
 * is not asked of it.
 */

/** Reads fields and takes what is wrong with them. */
export interface FieldReader {
  /** What `H` is spread by: the same seed gives the same values for ever. Null refuses `H`. */
  readonly seed: string | null;
  readonly refuse: (field: FieldName, message: string) => void;
}

/** The values of plain items; those that are none are refused. */
export function plainValues(field: FieldName, items: readonly string[], { seed, refuse }: FieldReader): Bits {
  const numbers = items.map((item) => withoutNames(field, item));
  const good = numbers.filter((item) => {
    const problem = plainItemProblem(field, item) ?? hashProblem(item, seed);
    if (problem !== undefined) refuse(field, problem);
    return problem === undefined;
  });
  return valuesOf(field, good, seed);
}

function hashProblem(item: string, seed: string | null): string | undefined {
  if (seed !== null || !item.startsWith("H")) return undefined;
  return "H is spread by the routine's name, and there is none here";
}

function valuesOf(field: FieldName, items: readonly string[], seed: string | null): Bits {
  if (items.length === 0) return noBits;
  const values = items.flatMap((item) => valuesOfItem(field, item, seed));
  // Sunday is 0 and 7.
  return bitsOf(field === "day of week" ? values.map((value) => value % 7) : values);
}

/** Item by item, since cron-parser refuses a list whose items overlap, which says nothing wrong. */
function valuesOfItem(field: FieldName, item: string, seed: string | null): readonly number[] {
  if (/^\d+$/.test(item)) return [Number(item)];
  // Alone in its field, so that a day is not measured against the months; and at its own place, since cron-parser draws
  // the values of `H` in the order of the fields.
  const alone = fieldNames.map((name) => (name === field ? inField(field, item) : "*")).join(" ");
  // Without a seed cron-parser draws at random, even where nothing is drawn.
  const options = { currentDate: 0, tz: "UTC", hashSeed: seed || "-" };
  const { fields } = CronExpressionParser.parse(alone, options);
  return fields[propertyOf[field]].values.filter((value) => typeof value === "number");
}

/** `H` draws from the days that every month has, or a monthly job would leave out the short months; and Sunday once. */
function inField(field: FieldName, item: string): string {
  if (field === "day of month") return item.replace(/^H(?!\()/, "H(1-28)");
  return field === "day of week" ? item.replace(/^H(?!\()/, "H(0-6)") : item;
}

const propertyOf = {
  second: "second",
  minute: "minute",
  hour: "hour",
  "day of month": "dayOfMonth",
  month: "month",
  "day of week": "dayOfWeek",
} as const;
