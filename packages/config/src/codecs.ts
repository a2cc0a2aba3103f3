import { Effect, Schema, SchemaGetter, SchemaIssue } from "effect";
import {
  type Duration,
  durationUnits,
  formatDuration,
  formatSize,
  type Parsed,
  parseDuration,
  parseSize,
  type Size,
  sizeUnits,
} from "./measures.ts";
import type { LeafType } from "./option-type.ts";

/*
 * The leaves of the schema. Each says in `expected` what is allowed, as the end of the sentence "must be …"; `explain`
 * finds a better sentence for one wrong value, and is only given to values that are no secrets.
 */
declare module "effect/Schema" {
  namespace Annotations {
    interface Augment {
      /** The whole sentence for a value of the wrong form, or undefined where `expected` says enough. */
      readonly explain?: ((value: unknown) => string | undefined) | undefined;
    }
  }
}

/** The longest single argument or variable that Linux passes to a program, with its final NUL (MAX_ARG_STRLEN). */
const maxWordBytes = 128 * 1024;

interface Range {
  readonly min: number;
  readonly max: number;
}

const durationText = Schema.TemplateLiteral([Schema.BigInt, Schema.Literals(durationUnits)]).annotate({
  expected: 'a duration such as "15s"',
  explain: explainWith(parseDuration),
});

const sizeText = Schema.TemplateLiteral([Schema.BigInt, Schema.Literals(sizeUnits)]).annotate({
  expected: 'a size such as "512MiB"',
  explain: explainWith(parseSize),
});

/** A duration, decoded to milliseconds. */
export function duration(least: Duration, most: Duration) {
  const range = { min: exactly(parseDuration(least)), max: exactly(parseDuration(most)) };
  return durationText.pipe(
    Schema.decodeTo(Schema.Number, {
      decode: SchemaGetter.transformEffect((text) =>
        inRange(parseDuration(text), text, range, [least, most]),
      ),
      encode: SchemaGetter.transform((value) => formatDuration(value)),
    }),
    Schema.annotate({
      expected: `a duration from ${least} to ${most}, such as "15s"`,
      leaf: { kind: "duration", least, most },
    }),
  );
}

/** A size, decoded to bytes. */
export function size(least: Size, most: Size) {
  const range = { min: exactly(parseSize(least)), max: exactly(parseSize(most)) };
  return sizeText.pipe(
    Schema.decodeTo(Schema.Number, {
      decode: SchemaGetter.transformEffect((text) => inRange(parseSize(text), text, range, [least, most])),
      encode: SchemaGetter.transform((value) => formatSize(value)),
    }),
    Schema.annotate({
      expected: `a size from ${least} to ${most}, such as "512MiB"`,
      leaf: { kind: "size", least, most },
    }),
  );
}

/** A whole number within a range, both ends included. */
export function wholeNumber(min: number, max: number) {
  const expected = `a whole number from ${min} to ${max}`;
  const whole = Schema.isInt({ message: `must be ${expected}` });
  const between = Schema.isBetween({ minimum: min, maximum: max }, { message: `must be ${expected}` });
  const leaf = { kind: "whole", min, max } as const;
  return Schema.Number.annotate({ expected, leaf }).check(whole.abort(), between);
}

/** A finite number within a range, both ends included. */
export function realNumber(min: number, max: number) {
  const expected = `a number from ${min} to ${max}`;
  return Schema.Number.annotate({ expected, leaf: { kind: "real", min, max } }).check(
    Schema.isBetween({ minimum: min, maximum: max }, { message: `must be ${expected}` }),
  );
}

/** One of a few words. */
export function choice<const L extends readonly string[]>(words: L) {
  return Schema.Literals(words).annotate({ expected: oneOf(words) });
}

/** A list of a few words, in order, at least one, none twice. */
export function choices<const L extends readonly string[]>(words: L) {
  const distinct = Schema.makeFilter<readonly string[]>((list) => {
    if (list.length === 0) return "must not be empty";
    return new Set(list).size === list.length || "must not name anything twice";
  });
  return Schema.Array(choice(words))
    .annotate({ expected: "a list", list: { distinct: true, nonEmpty: true } })
    .check(distinct);
}

/** A string for which `problemOf` finds nothing wrong. `form` says as much of that as a type in another language can. */
export function text(
  expected: string,
  problemOf: (value: string) => string | undefined,
  form: Omit<Extract<LeafType, { kind: "text" }>, "kind"> = {},
) {
  const leaf = { kind: "text", ...form } as const;
  return Schema.String.annotate({ expected, leaf }).check(Schema.makeFilter(problemOf, { expected }));
}

/** A list of at least one. */
export function nonEmptyList<S extends Schema.Top>(item: S, expected: string) {
  return Schema.Array(item)
    .annotate({ expected, list: { nonEmpty: true } })
    .check(Schema.makeFilter<readonly unknown[]>((list) => list.length > 0 || "must not be empty"));
}

/** A string that can be passed to a program. */
export const word = text("a string", (value) =>
  Buffer.byteLength(value) < maxWordBytes
    ? undefined
    : "must be shorter than 128 KiB, or no program can be given it",
);

/** An absolute path on the host. */
export const absolutePath = text("an absolute path", absolutePathProblem, { pattern: "/.*" });

/** A file on the host that holds a secret. */
export const secretFile = text(
  "an absolute path",
  (path) =>
    path.startsWith("/nix/store/")
      ? "must not be in /nix/store, which everybody can read"
      : absolutePathProblem(path),
  { pattern: "/.*", outsideStore: true },
);

/** What is wrong with an absolute path on the host, or undefined. */
export function absolutePathProblem(path: string): string | undefined {
  if (!path.startsWith("/")) return "must be an absolute path";
  if (path.split("/").some((part) => part === "." || part === "..")) {
    return 'must not contain "." or ".." parts';
  }
  return Buffer.byteLength(path) < 4096 ? undefined : "must be shorter than 4096 bytes";
}

function oneOf(words: readonly string[]): string {
  return `one of ${words.map((each) => `"${each}"`).join(", ")}`;
}

function explainWith(parse: (text: string) => Parsed<number>): (value: unknown) => string | undefined {
  return (value) => {
    if (typeof value !== "string") return undefined;
    const parsed = parse(value);
    return parsed.ok ? undefined : parsed.problem;
  };
}

function inRange(
  parsed: Parsed<number>,
  given: string,
  { min, max }: Range,
  [least, most]: readonly [string, string],
): Effect.Effect<number, SchemaIssue.Issue> {
  if (!parsed.ok) return refused(parsed.problem);
  if (parsed.value < min) return refused(`"${given}" is too little: at least ${least}, at most ${most}`);
  if (parsed.value > max) return refused(`"${given}" is too much: at least ${least}, at most ${most}`);
  return Effect.succeed(parsed.value);
}

function refused(message: string): Effect.Effect<never, SchemaIssue.Issue> {
  return Effect.fail(new SchemaIssue.InvalidValue({ message }));
}

function exactly(parsed: Parsed<number>): number {
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}
