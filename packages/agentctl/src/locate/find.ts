import { formatPath } from "@daruma/config";
import type { Site, Span } from "./instrument.ts";
import type { Recorder } from "./recorder.ts";

/** A stretch of one of the fleet's own files. */
export interface FileSpan extends Span {
  readonly file: number;
}

export interface Found extends FileSpan {
  /**
   * How the place relates to what is wrong. `exact`: it is written there. `copied`: it was copied from somewhere by what is
   * there (a spread). `changed`: it was changed after it was written there. `around`: no literal made it, and this is the
   * nearest around it.
   */
  readonly relation: "exact" | "copied" | "changed" | "around";
  /** Where a value that is written elsewhere (in a helper function, or a constant) is put in. */
  readonly usedAt?: FileSpan;
}

/** What the instrumented modules said about themselves and about the values that they made. */
export interface Knowledge {
  readonly recorder: Recorder;
  readonly sites: (file: number) => readonly Site[];
}

/**
 * Finds where the value at `path` of `fleet` is written. Never guesses: where it is not certain, the nearest thing around
 * that is certain.
 *
 * @param path as `formatPath` writes it
 * @param part whether the name or the value of the last key is meant
 */
export function findPlace(
  fleet: unknown,
  path: string,
  part: "name" | "value",
  knowledge: Knowledge,
): Found | undefined {
  let at = literalOf(fleet, knowledge);
  for (const { holder, key, value, isLast } of walk(fleet, path)) {
    const wanted = isLast ? part : "value";
    const written = memberOf(holder, key, wanted, knowledge);
    const made = literalOf(value, knowledge);
    if (wanted === "name") at = written === undefined ? around(made ?? at) : keepUse(written, at);
    else if (made !== undefined) at = madeElsewhere(made, written, at);
    else if (written !== undefined) at = keepUse(written, at);
    else at = around(at);
  }
  return at;
}

/** A literal inside of what is written at its place in the fleet, or of a helper function or constant that is used there. */
function madeElsewhere(made: Found, written: Found | undefined, outer: Found | undefined): Found {
  if (written === undefined || written.relation === "changed") return made;
  if (contains(written, made)) return keepUse(made, written.usedAt === undefined ? outer : written);
  return { ...made, usedAt: spanOf(written) };
}

interface Step {
  readonly holder: unknown;
  readonly key: string | number;
  readonly value: unknown;
  readonly isLast: boolean;
}

/** From the fleet down to what the path names, or as far as there is something. */
function walk(fleet: unknown, path: string): Step[] {
  const steps: Step[] = [];
  const keys: (string | number)[] = [];
  let holder = fleet;
  for (;;) {
    const key = keyTowards(holder, keys, path);
    if (key === undefined) return steps;
    keys.push(key);
    const value = ownMember(holder, key);
    const isLast = formatPath(keys) === path;
    steps.push({ holder, key, value, isLast });
    if (isLast) return steps;
    holder = value;
  }
}

/** The one member that the path goes through. Two that are written alike (names are shortened) are none. */
function keyTowards(holder: unknown, before: readonly (string | number)[], path: string) {
  if (typeof holder !== "object" || holder === null) return undefined;
  const keys: (string | number)[] = Array.isArray(holder) ? [...holder.keys()] : Object.keys(holder);
  const fitting = keys.filter((key) => {
    const text = formatPath([...before, key]);
    return path === text || path.startsWith(`${text}.`) || path.startsWith(`${text}[`);
  });
  return fitting.length === 1 ? fitting[0] : undefined;
}

function ownMember(holder: unknown, key: string | number): unknown {
  const found = Object.getOwnPropertyDescriptor(Object(holder), key);
  return found !== undefined && "value" in found ? found.value : undefined;
}

function literalOf(value: unknown, { recorder, sites }: Knowledge): Found | undefined {
  const origin = recorder.originOf(value);
  const site = origin && sites(origin.file)[origin.site];
  if (origin === undefined || site === undefined) return undefined;
  return { file: origin.file, start: site.start, end: site.end, relation: "exact" };
}

/** Where the literal that made `holder` has the member. */
function memberOf(
  holder: unknown,
  key: string | number,
  part: "name" | "value",
  knowledge: Knowledge,
): Found | undefined {
  const origin = knowledge.recorder.originOf(holder);
  const site = origin && knowledge.sites(origin.file)[origin.site];
  if (origin === undefined || site === undefined) return undefined;
  const { file } = origin;
  const value = ownMember(holder, key);
  const place = (span: Span, relation: Found["relation"]): Found => ({ file, ...span, relation });
  if (!origin.members.has(String(key)) || !Object.is(origin.members.get(String(key)), value)) {
    return place({ start: site.start, end: site.end }, "changed");
  }
  if (site.kind === "list") {
    const shifted = site.members.slice(0, Number(key) + 1).some(({ spread }) => spread);
    const element = shifted ? undefined : site.members[Number(key)];
    return element && place(element.value, "exact");
  }
  for (const [index, member] of [...site.members.entries()].reverse()) {
    // What a literal that waits has spread may be of another evaluation of it.
    if (member.key === null && site.suspends) return undefined;
    if (member.spread) {
      const from = origin.parts.get(index);
      if (!Object.hasOwn(Object(from), key)) continue;
      const there = memberOf(from, key, part, knowledge);
      if (there === undefined || there.relation === "changed") return place(member.name, "copied");
      return { ...there, usedAt: { file, ...member.name } };
    }
    const name = member.key ?? origin.parts.get(index);
    if (String(name) === String(key)) return place(part === "name" ? member.name : member.value, "exact");
  }
  return undefined;
}

function around(found: Found | undefined): Found | undefined {
  return found && { ...found, relation: found.relation === "changed" ? "changed" : "around" };
}

/** A place in the literal that was found for what is around it is used where that is used. */
function keepUse(written: Found, outer: Found | undefined): Found {
  if (written.usedAt !== undefined || outer?.usedAt === undefined) return written;
  return { ...written, usedAt: outer.usedAt };
}

function contains(outer: FileSpan, inner: FileSpan): boolean {
  return outer.file === inner.file && outer.start <= inner.start && inner.end <= outer.end;
}

function spanOf({ file, start, end }: FileSpan): FileSpan {
  return { file, start, end };
}
