/** A duration as it is written in a fleet file: a whole number and a unit, such as `"15s"`. */
export type Duration = `${bigint}${DurationUnit}`;
export type DurationUnit = (typeof durationUnits)[number];

/** A size as it is written in a fleet file: a whole number and a binary unit, such as `"512MiB"`. */
export type Size = `${bigint}${SizeUnit}`;
export type SizeUnit = (typeof sizeUnits)[number];

export const durationUnits = ["ms", "s", "m", "h", "d"] as const;
export const sizeUnits = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** What a text was read as, or why it could not be. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

interface Measure {
  readonly what: string;
  readonly example: string;
  /** Smallest first, as multiples of the smallest. */
  readonly units: readonly (readonly [name: string, factor: bigint])[];
}

const duration: Measure = {
  what: "a duration",
  example: '"15s"',
  units: [
    ["ms", 1n],
    ["s", 1000n],
    ["m", 60_000n],
    ["h", 3_600_000n],
    ["d", 86_400_000n],
  ],
};

const size: Measure = {
  what: "a size",
  example: '"512MiB"',
  units: [
    ["B", 1n],
    ["KiB", 1n << 10n],
    ["MiB", 1n << 20n],
    ["GiB", 1n << 30n],
    ["TiB", 1n << 40n],
  ],
};

/** Reads a duration exactly, in milliseconds. Refuses what a double cannot hold exactly. */
export function parseDuration(text: string): Parsed<number> {
  return parse(duration, text);
}

/** Reads a size exactly, in bytes. Refuses what a double cannot hold exactly. */
export function parseSize(text: string): Parsed<number> {
  return parse(size, text);
}

/**
 * Writes milliseconds with the largest unit that divides them: 90000 is `"90s"`, 60000 is `"1m"`. `parseDuration` reads
 * it back to the same number.
 */
export function formatDuration(milliseconds: number): Duration {
  return format(duration, milliseconds) as Duration;
}

/** Writes bytes with the largest unit that divides them. `parseSize` reads it back to the same number. */
export function formatSize(bytes: number): Size {
  return format(size, bytes) as Size;
}

function parse(measure: Measure, text: string): Parsed<number> {
  const value = usualValue(measure, text);
  return value === undefined ? parseAny(measure, text) : { ok: true, value };
}

/** What nearly every measure is: digits and a unit, in the range in which doubles are exact. Large fleets have many. */
function usualValue(measure: Measure, text: string): number | undefined {
  const [, digits, unit] = /^(0|[1-9]\d{0,15})([A-Za-z]+)$/.exec(text) ?? [];
  const factor = digits === undefined ? undefined : measure.units.find(([name]) => name === unit)?.[1];
  const value = factor === undefined ? Number.NaN : Number(digits) * Number(factor);
  return Number.isSafeInteger(value) ? value : undefined;
}

function parseAny(measure: Measure, text: string): Parsed<number> {
  const match = /^(-?)(\d+)(?:\.(\d+))?\s*([A-Za-z]*)$/.exec(text.trim());
  const [, sign = "", whole = "", decimals = "", unit = ""] = match ?? [];
  if (match === null) return refuse(measure, text, "");
  // Out of any range; big integers of hostile length would cost time.
  if (whole.length + decimals.length > 20)
    return { ok: false, problem: `${quote(text)} has too many digits` };
  const factor = measure.units.find(([name]) => name === unit)?.[1];
  if (factor === undefined) return refuse(measure, text, suggestUnit(measure, `${sign}${whole}`, unit));
  if (sign === "-") return { ok: false, problem: `${quote(text)} is negative` };
  const value = scaled(whole, decimals, factor);
  const exact = text === `${BigInt(whole)}${unit}` && decimals === "";
  if (!exact) return refuse(measure, text, value === undefined ? "" : formatExact(measure, value));
  if (value === undefined || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    return { ok: false, problem: `${quote(text)} is too large` };
  }
  return { ok: true, value: Number(value) };
}

/** `whole.decimals` times `factor`, if that is a whole number. */
function scaled(whole: string, decimals: string, factor: bigint): bigint | undefined {
  const scale = 10n ** BigInt(decimals.length);
  const value = BigInt(whole + decimals) * factor;
  return value % scale === 0n ? value / scale : undefined;
}

/** How people write units of time elsewhere. */
const unitWords: readonly (readonly [RegExp, string])[] = [
  [/^(msecs?|millis|milliseconds?)$/i, "ms"],
  [/^(secs?|seconds?)$/i, "s"],
  [/^(mins?|minutes?)$/i, "m"],
  [/^(hrs?|hours?)$/i, "h"],
  [/^days?$/i, "d"],
];

function suggestUnit(measure: Measure, number: string, unit: string): string {
  // "500mb" and "500MB" mean a binary size more often than not; "15" most often means seconds.
  if (measure === size && /^[kmgt]i?b?$/i.test(unit)) return `${number}${unit[0]?.toUpperCase()}iB`;
  if (measure === duration) {
    const written = unit === "" ? "s" : unitWords.find(([word]) => word.test(unit))?.[1];
    if (written !== undefined) return `${number}${written}`;
  }
  const lower = measure.units.find(([name]) => name.toLowerCase() === unit.toLowerCase());
  return lower === undefined ? "" : `${number}${lower[0]}`;
}

function refuse(measure: Measure, text: string, suggestion: string): Parsed<number> {
  const units = measure.units.map(([name]) => name).join(", ");
  const form = `must be ${measure.what} such as ${measure.example}: a whole number and one of ${units}`;
  const hint = suggestion === "" || suggestion.startsWith("-") ? "" : ` (did you mean "${suggestion}"?)`;
  return { ok: false, problem: `${form}; it is ${quote(text)}${hint}` };
}

function format(measure: Measure, value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not ${measure.what}`);
  const fitting = measure.units.findLast(([, factor]) => value !== 0 && value % Number(factor) === 0);
  const [name, factor] = fitting ?? measure.units[0] ?? ["", 1n];
  return `${value / Number(factor)}${name}`;
}

function formatExact(measure: Measure, value: bigint): string {
  const fitting = measure.units.findLast(([, factor]) => value !== 0n && value % factor === 0n);
  const [name, factor] = fitting ?? measure.units[0] ?? ["", 1n];
  return `${value / factor}${name}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
