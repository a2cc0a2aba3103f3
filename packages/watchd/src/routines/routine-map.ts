import type { RoutineState } from "./state.ts";

/** Ten thousand routines are 160 in each: what one change copies, and how many have to be asked about theirs, are both little. */
const bucketCount = 64;

/** What there is to be known of the routines in a bucket without looking at each. */
interface Summary {
  /** Those that have a run, a firing that waits or is put off, or that the current generation does not declare. */
  readonly active: readonly (readonly [string, RoutineState])[];
  /** The first time at which one that is declared is due, Unix ms. Null: never. */
  readonly nextAt: number | null;
  /** The latest instant up to which one has decided on its times, Unix ms. */
  readonly decidedUpTo: number;
  /** Event -> those that wait for it. */
  readonly listeners: ReadonlyMap<string, readonly string[]>;
}

class Bucket {
  readonly routines: ReadonlyMap<string, RoutineState>;
  #summary: Summary | null = null;

  constructor(routines: ReadonlyMap<string, RoutineState>) {
    this.routines = routines;
  }

  get summary(): Summary {
    this.#summary ??= summaryOf(this.routines);
    return this.#summary;
  }
}

/**
 * Routines by name; immutable, as all of the core's state. A change makes a new map that shares all but one bucket with the
 * old one, and what is told of all the routines of a bucket is found out once: a judgement looks at those routines only that
 * are concerned. In what order they are listed depends on their names alone.
 */
export class RoutineMap {
  static readonly empty = new RoutineMap(Array.from({ length: bucketCount }, () => new Bucket(new Map())));

  readonly #buckets: readonly Bucket[];
  #active: readonly (readonly [string, RoutineState])[] | null = null;

  private constructor(buckets: readonly Bucket[]) {
    this.#buckets = buckets;
  }

  static of(routines: Readonly<Record<string, RoutineState>>): RoutineMap {
    return RoutineMap.empty.withAll(Object.entries(routines));
  }

  get(name: string): RoutineState | undefined {
    return this.#buckets[bucketOf(name)]?.routines.get(name);
  }

  /** @param routine null: without it */
  with(name: string, routine: RoutineState | null): RoutineMap {
    return this.withAll([[name, routine]]);
  }

  /** As `with`, for many at once: each bucket is copied once. */
  withAll(changes: Iterable<readonly [string, RoutineState | null]>): RoutineMap {
    const buckets = [...this.#buckets];
    const copies = new Map<number, Map<string, RoutineState>>();
    for (const [name, routine] of changes) {
      const at = bucketOf(name);
      const copy = copies.get(at) ?? new Map(buckets[at]?.routines);
      copies.set(at, copy);
      if (routine === null) copy.delete(name);
      else copy.set(name, routine);
    }
    for (const [at, copy] of copies) buckets[at] = new Bucket(copy);
    return new RoutineMap(buckets);
  }

  /** All of them: not for every step. */
  *[Symbol.iterator](): Iterator<readonly [string, RoutineState]> {
    for (const { routines } of this.#buckets) yield* routines;
  }

  toRecord(): Readonly<Record<string, RoutineState>> {
    return Object.fromEntries(this);
  }

  /** Those that have a run, a firing that waits or is put off, or that the current generation does not declare. */
  active(): readonly (readonly [string, RoutineState])[] {
    this.#active ??= this.#buckets
      .flatMap(({ summary }) => summary.active)
      .sort(([one], [other]) => (one < other ? -1 : 1));
    return this.#active;
  }

  /** The names of those that are active, due at `wall` or before, or have decided on times after `decided`. Unix ms. */
  timely(wall: number, decided: number): readonly string[] {
    const isTimely = ({ nextAt, decidedUpTo }: Pick<Summary, "nextAt" | "decidedUpTo">) =>
      (nextAt !== null && nextAt <= wall) || decidedUpTo > decided;
    const names = this.active().map(([name]) => name);
    for (const { routines, summary } of this.#buckets) {
      if (!isTimely(summary)) continue;
      for (const [name, routine] of routines) if (isTimely(routine) && !isActive(routine)) names.push(name);
    }
    return names.sort();
  }

  /** The first time at which one that is declared is due, Unix ms. Null: never. */
  nextAt(): number | null {
    let least: number | null = null;
    for (const { summary } of this.#buckets) {
      if (summary.nextAt !== null && (least === null || summary.nextAt < least)) least = summary.nextAt;
    }
    return least;
  }

  /** The names of those that wait for an event. */
  listeners(event: string): readonly string[] {
    return this.#buckets.flatMap(({ summary }) => summary.listeners.get(event) ?? []).sort();
  }

  /** What is not as it was in an earlier map; null for one that is gone. */
  changesSince(before: RoutineMap): ReadonlyMap<string, RoutineState | null> {
    const changes = new Map<string, RoutineState | null>();
    for (const [at, bucket] of this.#buckets.entries()) {
      const old = before.#buckets[at];
      if (old === bucket) continue;
      for (const [name, routine] of bucket.routines)
        if (old?.routines.get(name) !== routine) changes.set(name, routine);
      for (const name of old?.routines.keys() ?? []) if (!bucket.routines.has(name)) changes.set(name, null);
    }
    return changes;
  }
}

function summaryOf(routines: ReadonlyMap<string, RoutineState>): Summary {
  const active: (readonly [string, RoutineState])[] = [];
  const listeners = new Map<string, string[]>();
  let nextAt: number | null = null;
  let decidedUpTo = 0;
  for (const [name, routine] of routines) {
    if (isActive(routine)) active.push([name, routine]);
    if (routine.decidedUpTo > decidedUpTo) decidedUpTo = routine.decidedUpTo;
    if (!routine.declared) continue;
    if (routine.nextAt !== null && (nextAt === null || routine.nextAt < nextAt)) nextAt = routine.nextAt;
    for (const event of new Set(routine.policy.events)) {
      const waiting = listeners.get(event);
      if (waiting === undefined) listeners.set(event, [name]);
      else waiting.push(name);
    }
  }
  return { active, nextAt, decidedUpTo, listeners };
}

function isActive({ declared, runs, queue, delayed }: RoutineState): boolean {
  return !declared || runs.length > 0 || queue.length > 0 || delayed.length > 0;
}

/** FNV-1a. */
function bucketOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % bucketCount;
}
