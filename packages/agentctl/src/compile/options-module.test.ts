import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { anyName, describeOptions, type OptionRow } from "@daruma/config";
import t from "tap";
import { evaluateNix, withoutNix } from "./nix-support.ts";

const file = fileURLToPath(new URL("../../../../modules/options.nix", import.meta.url));

/** What the module has beyond the options of a host in the fleet file. */
const own = ["enable", "host"];

/**
 * The schema's options of a host that hold a value, by their path below the host. Groups of options are none in Nix, and
 * there are no routines: a host with any is refused (COMPILE_E_ROUTINES).
 */
const rows = describeOptions()
  .map((row) => ({ ...row, path: row.path.slice(2) }))
  .filter((row) => row.path.length > 0 && row.path[0] !== "routines" && !isGroup(row));

function isGroup(row: OptionRow): boolean {
  const isObject = typeof row.default === "object" && row.default !== null && !Array.isArray(row.default);
  return isObject && Object.keys(row.default).length === 0 && row.expected === "an object";
}

t.test("the module names the options of the schema, in the same order", async (t) => {
  const names = [...readFileSync(file, "utf8").matchAll(/^ +(\w+) = mkOption/gm)].map(
    ([, name]) => name ?? "",
  );
  t.same(names, [...own, ...rows.map((row) => row.path.at(-1))]);
});

/** A stand-in for nixpkgs' lib that shows options as data. */
const stubLib = `{
  mkOption = option: builtins.removeAttrs option [ "type" "example" ] // { _option = option.type; };
  literalExpression = text: text;
  hasPrefix = _: _: false;
  types = {
    submodule = module: { inherit (module) options; };
    nullOr = type: type;
    attrsOf = type: if type ? options then { options."${anyName}" = type.options; } else { };
    nonEmptyListOf = _: { };
    listOf = _: { };
    attrs = { };
    addCheck = type: _: type;
    strMatching = _: { };
    enum = _: { };
    oneOf = _: { };
    number = { };
    ints.between = _: _: { };
    numbers.between = _: _: { };
    bool = { };
    str = { };
  };
}`;

interface NixOption {
  readonly description: string;
  readonly default?: unknown;
  readonly _option: { readonly options?: Readonly<Record<string, NixTree>> };
}
type NixTree = NixOption | { readonly [name: string]: NixTree };

t.test("nesting, defaults and descriptions are those of the schema", { skip: withoutNix }, async (t) => {
  const module = evaluateNix(
    `(import (/. + ${JSON.stringify(file)}) { lib = ${stubLib}; }).options.services.daruma`,
  );
  const found = new Map(optionsIn(module as NixTree, []));
  t.same([...found.keys()].sort(), [...own, ...rows.map((row) => row.path.join("."))].sort());
  for (const row of rows) {
    const path = row.path.join(".");
    const option = found.get(path);
    t.equal(option?.description, row.description, path);
    // What a fleet file leaves out is null in Nix; and a host without agents is one there.
    const expected = path === "agents" ? {} : row.required ? undefined : (row.default ?? null);
    t.same(option?.default, expected, path);
  }
});

function optionsIn(tree: NixTree, path: readonly string[]): [string, NixOption][] {
  if (!isOption(tree))
    return Object.entries(tree).flatMap(([name, child]) => optionsIn(child, [...path, name]));
  const inside = Object.entries(tree._option.options ?? {});
  return [[path.join("."), tree], ...inside.flatMap(([name, child]) => optionsIn(child, [...path, name]))];
}

function isOption(tree: NixTree): tree is NixOption {
  return "_option" in tree;
}
