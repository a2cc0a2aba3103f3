import { dropInName } from "../systemd/drop-in.ts";
import type { Difference } from "./difference.ts";
import { unitLines } from "./discreet.ts";

/** A file in one of the directories that systemd reads units from, outside the generation. */
export interface UnitFile {
  readonly path: string;
  /** Name of the unit that it replaces, or of the directory `NAME.d` that it is in. */
  readonly name: string;
  readonly dropIn: boolean;
  /** Null for what cannot be read as a file: a link to /dev/null masks a unit. */
  readonly text: string | null;
}

export interface DeclaredUnits {
  /** Names of the generation's own units. */
  readonly names: ReadonlySet<string>;
  /** Those that a change of their settings may restart: not where the unit says otherwise (X-RestartIfChanged=, RefuseManualStop=). */
  readonly restartable: ReadonlySet<string>;
}

/**
 * Files of others that change the generation's units: drop-ins, as `systemctl edit --runtime` and `systemctl set-property` leave them,
 * and units in places that win over /etc (systemd.unit(5), "Unit File Load Path").
 */
export function unitDifferences(
  { names, restartable }: DeclaredUnits,
  files: readonly UnitFile[],
): readonly Difference[] {
  const unitsBy = new Map<string, string[]>();
  for (const unit of names) {
    for (const name of dropInNames(unit)) {
      const units = unitsBy.get(name);
      if (units === undefined) unitsBy.set(name, [unit]);
      else units.push(unit);
    }
  }
  return files.flatMap(({ path, name, dropIn, text }) => {
    if (dropIn && isOwnDropIn(path, name)) return [];
    const changed = (unitsBy.get(name) ?? []).filter((unit) => dropIn || isOrIsOf(unit, name));
    if (changed.length === 0) return [];
    // A drop-in for all services names none of them: those come under it when they start.
    const meant = changed.filter((unit) => isOrIsOf(unit, name) || unit.startsWith("daruma-"));
    const units = meant.filter((unit) => restartable.has(unit)).sort();
    const observed = text === null ? ["masked"] : unitLines(text);
    return [
      {
        kind: "unit",
        at: path,
        declared: [],
        observed: observed.length === 0 ? ["an empty file"] : observed,
        remedy: { kind: "remove", path, units },
      } satisfies Difference,
    ];
  });
}

/** watchd's own: the settings that are in force for one agent in place of the declared ones. */
export function isOwnDropIn(path: string, name: string): boolean {
  return name.startsWith("daruma-agent-") && path === `/run/systemd/system/${name}.d/${dropInName}`;
}

/** Whether `name` is the unit, or the template that it is an instance of. */
function isOrIsOf(unit: string, name: string): boolean {
  return unit === name || templateOf(unit) === name;
}

function templateOf(unit: string): string | null {
  const [, prefix, type] = /^([^@]+@)[^@]+(\.[a-z]+)$/.exec(unit) ?? [];
  return prefix === undefined || type === undefined ? null : `${prefix}${type}`;
}

/**
 * The names NAME.d of directories whose drop-ins apply to a unit: its own, its template's, those of its name cut after each dash, and
 * that of its type (systemd.unit(5)).
 */
export function dropInNames(unit: string): readonly string[] {
  const dot = unit.lastIndexOf(".");
  const [stem, type] = [unit.slice(0, dot), unit.slice(dot)];
  const template = templateOf(unit);
  const prefix = stem.replace(/@.*$/, "");
  const dashes = [...prefix.matchAll(/-/g)].map(({ index }) => `${prefix.slice(0, index + 1)}${type}`);
  return [
    unit,
    ...(template === null ? [] : [template]),
    ...dashes.filter((name) => name !== unit).reverse(),
    type.slice(1),
  ];
}
