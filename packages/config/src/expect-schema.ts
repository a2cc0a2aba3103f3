import { Schema } from "effect";
import { realNumber, wholeNumber } from "./codecs.ts";
import { optional } from "./option.ts";

const count = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const BoundsSchema = Schema.Struct({
  min: optional(count, { description: "Less than this is an anomaly. Without it: no bound.", example: 1 }),
  max: optional(count, {
    description: "More than this is an anomaly. Without it: no bound.",
    example: 100_000,
  }),
  deviation: optional(realNumber(0, 1_000), {
    description:
      "Share by which it may differ from the median of the last results, of which there have to be 5. Without it: they are not compared.",
    example: 0.5,
  }),
}).annotate({ expected: "an object" });

const bounds = (what: string) =>
  optional(BoundsSchema, { description: `How many records it ${what}. Without it: as many as there are.` });

/** What a run that succeeds is expected to have done; see countNames. */
export const ExpectSchema = Schema.Struct({
  extracted: bounds("reads"),
  transformed: bounds("changes"),
  loaded: bounds("writes"),
  errors: bounds("gives up on"),
}).annotate({ expected: "an object" });
