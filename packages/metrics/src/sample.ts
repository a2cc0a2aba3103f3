import type { HistogramDocument } from "@daruma/base";
import type { MetricName } from "./table.ts";

export type Labels = Readonly<Record<string, string>>;

/** One value of a metric, or of a histogram all of them. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number | HistogramDocument;
}

/** Metrics and their values: what is not there has none. */
export type Samples = Readonly<Partial<Record<MetricName, readonly Sample[]>>>;

export function one(value: number | boolean, labels: Labels = {}): Sample {
  return { labels, value: Number(value) };
}

/** Without what is not known: a value that is not there is better than one that is wrong. */
export function known(value: number | null, labels: Labels = {}): readonly Sample[] {
  return value === null || !Number.isFinite(value) ? [] : [{ labels, value }];
}

export function spread(document: HistogramDocument | null, labels: Labels = {}): readonly Sample[] {
  return document === null ? [] : [{ labels, value: document }];
}

/** Counts, by what they count. */
export function counted(
  counts: Readonly<Record<string, number>>,
  label: string,
  labels: Labels = {},
): readonly Sample[] {
  return Object.entries(counts).map(([key, value]) => ({ labels: { ...labels, [label]: key }, value }));
}
