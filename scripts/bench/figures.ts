/** Numbers of a benchmark, as they are printed. */

export interface Figure {
  readonly median: number;
  readonly p99: number;
}

/** The 99th percentile of 30 values is the largest. */
export function figureOf(values: readonly number[]): Figure {
  return { median: percentile(values, 0.5), p99: percentile(values, 0.99) };
}

/** Nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** A title, then a row for each figure, in milliseconds. */
export function table(title: string, rows: readonly (readonly [string, Figure])[]): string {
  const width = Math.max(title.length, ...rows.map(([label]) => label.length)) + 2;
  const ms = (value: number) => `${value.toFixed(1)} ms`.padStart(12);
  return [
    `${title.padEnd(width)}${"median".padStart(12)}${"p99".padStart(12)}`,
    ...rows.map(([label, { median, p99 }]) => `${label.padEnd(width)}${ms(median)}${ms(p99)}`),
    "",
  ].join("\n");
}
