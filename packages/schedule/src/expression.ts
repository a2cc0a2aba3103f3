import type { Problem } from "@daruma/base";
import { type Bits, bitsOf } from "./bits.ts";
import type { CronRule } from "./cron.ts";
import { monthDaysOf, weekDaysOf } from "./day-fields.ts";
import { type FieldName, fieldShapes } from "./fields.ts";
import { type FieldReader, plainValues } from "./plain-fields.ts";

export type ParsedRule =
  | { readonly ok: true; readonly rule: CronRule }
  /** `path` names the field. */
  | { readonly ok: false; readonly problems: readonly Problem[] };

const aliases: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/** More characters than every value of every field written out. */
const maxLength = 1000;

/**
 * What a cron expression says: five fields, or six with seconds first, or one of the `@` words. All that is wrong with it is
 * told at once.
 *
 * @param seed what `H` is spread by, such as the routine's name; null refuses `H`
 */
export function parseExpression(text: string, seed: string | null): ParsedRule {
  const trimmed = text.trim();
  if (trimmed.length > maxLength) return wrong(`is longer than ${maxLength} characters`);
  const given = trimmed.startsWith("@") ? aliases[trimmed.toLowerCase()] : trimmed;
  if (given === undefined) return wrong(aliasProblem(trimmed));
  const words = given === "" ? [] : given.toUpperCase().split(/\s+/);
  if (words.length !== 5 && words.length !== 6) {
    return wrong(`has ${words.length} fields; a cron expression has 5, or 6 with seconds first`);
  }
  return parseFields(words.length === 5 ? ["0", ...words] : words, seed);
}

function parseFields(words: readonly string[], seed: string | null): ParsedRule {
  const problems: Problem[] = [];
  const refuse = (field: FieldName, message: string) => problems.push({ path: field, message });
  const reader = { seed, refuse };
  const [second = "", minute = "", hour = "", dayOfMonth = "", month = "", dayOfWeek = ""] = words;
  const both = dayOfWeek.startsWith("+");
  const rule: CronRule = {
    seconds: plainField("second", second, reader),
    minutes: plainField("minute", minute, reader),
    hours: plainField("hour", hour, reader),
    days: {
      monthDays: monthDaysOf(dayOfMonth, reader),
      months: plainField("month", month, reader),
      weekDays: weekDaysOf(both ? dayOfWeek.slice(1) : dayOfWeek, reader),
      both,
    },
    rhythm: /[*/]/.test(minute + hour),
  };
  return problems.length === 0 ? { ok: true, rule } : { ok: false, problems };
}

function plainField(field: FieldName, text: string, reader: FieldReader): Bits {
  if (text === "*") return allOf(field);
  return plainValues(field, text.split(","), reader);
}

function allOf(field: FieldName): Bits {
  const { min, max } = fieldShapes[field];
  return bitsOf(Array.from({ length: max - min + 1 }, (_, index) => min + index));
}

function aliasProblem(word: string): string {
  const known = Object.keys(aliases).join(", ");
  if (word.toLowerCase() === "@reboot") return "@reboot is no time; let the routine run at boot instead";
  return `${JSON.stringify(word)} is none of ${known} or @every DURATION`;
}

function wrong(message: string): ParsedRule {
  return { ok: false, problems: [{ path: "expression", message }] };
}
