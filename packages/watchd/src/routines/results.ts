import type { CountBounds, CountName, Expectations } from "@daruma/config";
import { countNames } from "@daruma/config";

/** What a run says that it has done; a count that it does not name is not known. */
export type Counts = Readonly<Partial<Record<CountName, number>>>;

/** How many results of runs that succeeded are remembered, to compare later ones with. */
export const mostResults = 20;

/** Fewer results than this are no history. */
export const leastResults = 5;

/** A count that is not as was expected. */
export interface Anomaly {
  readonly count: CountName;
  /** Null: the run has not told it. */
  readonly value: number | null;
  readonly why: "missing" | "below" | "above" | "unlike-before";
  /** The bound that it is beyond; of `unlike-before`, the median of the results before. */
  readonly bound: number | null;
}

/**
 * What about the result of a run that succeeded is not as expected.
 *
 * @param before results of runs that succeeded, without this one
 */
export function anomaliesOf(
  expected: Expectations,
  result: Counts | null,
  before: readonly Counts[],
): readonly Anomaly[] {
  return countNames.flatMap((count) => {
    const bounds = expected[count];
    if (bounds === null) return [];
    const earlier = before.map((each) => each[count]).filter((value) => value !== undefined);
    const found = anomalyOf(bounds, result?.[count] ?? null, earlier);
    return found === null ? [] : [{ count, ...found }];
  });
}

function anomalyOf(
  { min, max, deviation }: CountBounds,
  value: number | null,
  earlier: readonly number[],
): Omit<Anomaly, "count"> | null {
  if (value === null) return { value, why: "missing", bound: null };
  if (min !== null && value < min) return { value, why: "below", bound: min };
  if (max !== null && value > max) return { value, why: "above", bound: max };
  if (deviation === null || earlier.length < leastResults) return null;
  const usual = medianOf(earlier);
  return Math.abs(value - usual) > deviation * usual ? { value, why: "unlike-before", bound: usual } : null;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Reads what a run has told. A text is what is wrong with it. */
export function parseCounts(body: unknown): Counts | string {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return `a result is an object with one or more of ${countNames.join(", ")}`;
  }
  const entries = Object.entries(body);
  const names: readonly string[] = countNames;
  const other = entries.find(([name]) => !names.includes(name));
  if (other !== undefined || entries.length === 0) {
    return `a result has one or more of ${countNames.join(", ")} and nothing else`;
  }
  const wrong = entries.find(([, value]) => !Number.isSafeInteger(value) || Number(value) < 0);
  if (wrong !== undefined) return `${wrong[0]} must be a whole number from 0 on`;
  return Object.fromEntries(entries) as Counts;
}
