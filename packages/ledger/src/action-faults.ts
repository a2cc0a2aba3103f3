import { own } from "@daruma/base";
import type { FieldType } from "./action-fields.ts";
import { actions, commonDetails } from "./actions.ts";
import { isPlainObject, type JsonObject } from "./entry.ts";

/**
 * What does not fit the vocabulary: one sentence without a full stop each. `null` for an action that it does not have, of a
 * newer release or of an agent: nothing can be said of that.
 */
export function faultsOfDetails(action: string, details: JsonObject): readonly string[] | null {
  const known = own(actions, action);
  if (known === undefined) return null;
  // What could not be recorded is said to be missing.
  if (details.withheld !== undefined) return [];
  return Object.entries({ ...commonDetails, ...known.details }).flatMap(([name, field]) => {
    const value = own(details, name);
    if (value === undefined) return field.optional === true ? [] : [`${name} is missing`];
    if (value === null && field.nullable === true) return [];
    return isOfType(value, field.type) ? [] : [`${name} is not ${nameOf(field.type)}`];
  });
}

function isOfType(value: unknown, type: FieldType): boolean {
  switch (type) {
    case "texts":
      return Array.isArray(value) && value.every((one) => typeof one === "string");
    case "object":
      return isPlainObject(value);
    case "text":
      return typeof value === "string";
    default:
      return typeof value === type;
  }
}

function nameOf(type: FieldType): string {
  if (type === "texts") return "a list of texts";
  return type === "object" ? "an object" : `a ${type}`;
}
