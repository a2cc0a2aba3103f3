/**
 * How often values fell between bounds, as a Prometheus histogram has it (https://prometheus.io/docs/concepts/metric_types/),
 * but each count by itself instead of with all below it.
 */
export interface HistogramDocument {
  /** Upper bounds, inclusive, ascending; in the unit of the values. */
  readonly bounds: readonly number[];
  /** One for each bound, and one for what is above the last. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Counts values from the start of the process on. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds ascending, in the unit of what is observed */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const index = found === -1 ? this.#bounds.length : found;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  toDocument(): HistogramDocument {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum };
  }
}
