import { type OptionField, type OptionType, optionType } from "./option-type.ts";
import { FleetSchema } from "./schema.ts";

/** One option of the fleet file, as documentation needs it. */
export interface OptionRow extends Omit<OptionField, "name"> {
  /** From the root of the fleet; `<name>` stands for a key that the user chooses. */
  readonly path: readonly string[];
}

/** Stands for a key that the user chooses in the path of an option. */
export const anyName = "<name>";

/** What a fleet file may be. */
export function fleetType(): OptionType {
  return optionType(FleetSchema.ast);
}

/** What a host of a fleet file may be: what `services.daruma` is made from. */
export function hostFields(): readonly OptionField[] {
  const fleet = fleetType();
  const hosts = fleet.kind === "fields" ? fleet.fields.find(({ name }) => name === "hosts")?.type : undefined;
  const host = hosts?.kind === "record" ? hosts.values : undefined;
  if (host?.kind !== "fields") throw new Error("a fleet has hosts, which have options");
  return host.fields;
}

/** Every option there is, parents before children, in the order of the schema. */
export function describeOptions(): readonly OptionRow[] {
  return rowsOf(fleetType(), []);
}

function rowsOf(type: OptionType, path: readonly string[]): OptionRow[] {
  if (type.kind === "record") return rowsOf(type.values, [...path, anyName]);
  // Alternatives, such as the words of a command, are values and not options.
  if (type.kind !== "fields") return [];
  return type.fields.flatMap(({ name, ...field }) => {
    const at = [...path, name];
    return [{ ...field, path: at }, ...rowsOf(field.type, at)];
  });
}
