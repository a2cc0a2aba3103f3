export interface Point {
  /** Monotonic instant in milliseconds. */
  readonly at: number;
  readonly value: number;
}

export interface Slope {
  /** Median of the slopes between all pairs of points, per millisecond (Theil 1950, Sen 1968). */
  readonly perMs: number;
  /** Share of the pairs in which the later point is the higher one, 0 to 1: 1 for what only rises, a half for noise. */
  readonly rising: number;
}

/**
 * How fast something grows: up to 29 % of the points may be arbitrarily wrong without any effect, and a single step moves it little.
 * Takes n² / 2 operations.
 *
 * @param points in the order of time, no two at the same; null for fewer than two
 */
export function robustSlope(points: readonly Point[]): Slope | null {
  const slopes: number[] = [];
  for (const [index, { at, value }] of points.entries()) {
    for (let later = index + 1; later < points.length; later += 1) {
      const other = points[later];
      if (other !== undefined && other.at > at) slopes.push((other.value - value) / (other.at - at));
    }
  }
  if (slopes.length === 0) return null;
  const rising = slopes.filter((slope) => slope > 0).length / slopes.length;
  return { perMs: median(slopes), rising };
}

/** Of a list that is not empty. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}
