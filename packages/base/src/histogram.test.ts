import fc from "fast-check";
import t from "tap";
import { Histogram } from "./histogram.ts";

t.test("every value is counted once, where it belongs", async () => {
  const bounds = [0.5, 1, 10];
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200 }).map((tenths) => tenths / 10)), (values) => {
      const histogram = new Histogram(bounds);
      for (const value of values) histogram.observe(value);
      const { counts, sum } = histogram.toDocument();
      const upTo = (bound: number) => values.filter((value) => value <= bound).length;
      const cumulative = [...bounds, Number.POSITIVE_INFINITY].map(upTo);
      return (
        counts.every((count, index) => count === (cumulative[index] ?? 0) - (cumulative[index - 1] ?? 0)) &&
        Math.abs(sum - values.reduce((all, value) => all + value, 0)) < 1e-6
      );
    }),
  );
});
