import { isGroup, type OptionField, type OptionType } from "./option-type.ts";
import { anyName, fleetType } from "./options.ts";

/** The reference of the fleet file in Markdown: docs/reference/options.md. */
export function optionsReference(): string {
  const groups = groupsOf(fleetType(), [], "The fleet");
  return `${[
    "# Options",
    `Generated from the schema of the fleet file by \`make generate\`. \`${anyName}\` stands for a name that you choose, \`[]\` for an entry of a list. On NixOS the options of a host are those of \`services.daruma\`, with the same names, defaults and meanings; what a fleet file leaves out is \`null\` there, and a rule of egress is always written as an attribute set. \`agentctl schema\` prints all of it as JSON Schema. See [the fleet file](../concepts/fleet-file.md).`,
    groups
      .map(
        ({ heading, path }) => `- [${heading}](#${anchorOf(heading)})${path === "" ? "" : `: \`${path}\``}`,
      )
      .join("\n"),
    ...groups.flatMap(sectionOf),
  ].join("\n\n")}\n`;
}

/** Options that are beside one another. */
interface Group {
  readonly heading: string;
  readonly path: string;
  readonly fields: readonly OptionField[];
}

/** Singular, of what is called by name. */
const nouns: Readonly<Record<string, string>> = {
  hosts: "A host",
  agents: "An agent",
  routines: "A routine",
};

function groupsOf(type: OptionType, path: readonly string[], heading: string): Group[] {
  switch (type.kind) {
    case "record":
      return groupsOf(type.values, [...path, anyName], nouns[path.at(-1) ?? ""] ?? heading);
    case "list":
      return groupsOf(type.rest, [...path.slice(0, -1), `${path.at(-1)}[]`], heading);
    case "either":
      return groupsOf({ kind: "fields", fields: merged(type.of) }, path, heading);
    case "fields":
      return type.fields.length === 0 ? [] : fieldGroups(type.fields, path, heading);
    default:
      return [];
  }
}

function fieldGroups(fields: readonly OptionField[], path: readonly string[], heading: string): Group[] {
  const inside = fields.flatMap((field) =>
    groupsOf(field.type, [...path, field.name], `${path.length === 0 ? "" : `${heading}: `}${field.name}`),
  );
  return [{ heading, path: path.join("."), fields }, ...inside];
}

/** Records that are alternatives, as one: each field once. */
function merged(types: readonly OptionType[]): readonly OptionField[] {
  const fields = types.flatMap((type) => (type.kind === "fields" ? type.fields : []));
  return fields.filter(({ name }, index) => fields.findIndex((each) => each.name === name) === index);
}

function sectionOf({ heading, path, fields }: Group): string[] {
  const rows = fields.map((field) => row(field));
  return [
    `## ${heading}`,
    ...(path === "" ? [] : [`\`${path}\``]),
    ["| option | is for | must be | default | example |", "| --- | --- | --- | --- | --- |", ...rows].join(
      "\n",
    ),
  ];
}

function row(field: OptionField): string {
  const { name, description, expected, required, example } = field;
  const unset = required ? "required" : "";
  const given = isGroup(field) || !("default" in field) ? unset : code(field.default);
  const cells = [`\`${name}\``, description, expected, given, example === undefined ? "" : code(example)];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value)}\``;
}

/** As GitHub makes them. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, "")
    .replaceAll(" ", "-");
}
