import { Effect, Schema } from "effect";

/*
 * What is known of an option beside its type. It hangs on the schema itself, so that Nix options, JSON Schema and the
 * reference are made from the one place that also decodes.
 */
declare module "effect/Schema" {
  namespace Annotations {
    interface Augment {
      readonly option?: OptionDoc | undefined;
    }
  }
}

export interface OptionDoc {
  readonly description: string;
  /** As it is written in a fleet file. Absent: there is no default, see `required`. */
  readonly default?: unknown;
  /** As it is written in a fleet file. */
  readonly example?: unknown;
}

interface Documented<S extends Schema.Top> {
  readonly description: string;
  readonly example?: S["Encoded"];
}

/** An option that every fleet file has to set. */
export function required<S extends Schema.Top>(schema: S, doc: Documented<S>) {
  return schema.annotateKey({ description: doc.description, option: doc });
}

/** An option that may be left out and then means "none". */
export function optional<S extends Schema.Top>(schema: S, doc: Documented<S>) {
  return Schema.optionalKey(schema).annotateKey({ description: doc.description, option: doc });
}

/** An option that may be left out and then has `value`. */
export function defaulted<S extends Schema.Top & Schema.ConstraintDecoder<unknown>>(
  schema: S,
  doc: Documented<S> & { readonly default: S["Encoded"] },
) {
  // A default on the encoded side would check a nested option in two passes, and a problem in the first would hide those
  // of the second. Decoded when it is first needed: every start of a program would wait for all of them.
  let value: S["Type"] | undefined;
  const decoded = () => (value ??= Schema.decodeUnknownSync(schema)(doc.default));
  return schema
    .pipe(Schema.withDecodingDefaultTypeKey(Effect.sync(decoded)))
    .annotateKey({ description: doc.description, option: doc });
}
