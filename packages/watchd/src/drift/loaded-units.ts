import type { Difference, Remedy } from "./difference.ts";
import { olderDefinition, type UnitState } from "./states.ts";
import { type DeclaredUnits, isOwnDropIn } from "./units.ts";

/*
 * What systemd has loaded of our units, which may be another thing than what is on disk: a drop-in that was deleted without
 * `daemon-reload` is in force until then, and in what runs until it is restarted.
 */

/** Asking systemd for a unit costs it 2 ms: with more units than this each look asks for the next ones. */
const mostAsked = 64;

/** Where the generation's units are, and what belongs to the system itself (systemd.unit(5), systemd.generator(7)). */
const declaredPlaces = [
  "/etc/systemd/system/",
  "/etc/static/systemd/system/",
  "/usr/lib/systemd/",
  "/lib/systemd/",
  "/run/systemd/generator",
] as const;
/** Where a person's commands put units and drop-ins, and nothing else does. */
const othersPlaces = [
  "/etc/systemd/system.control/",
  "/run/systemd/system.control/",
  "/run/systemd/transient/",
  "/run/systemd/system/",
  "/usr/local/lib/systemd/system/",
] as const;

export interface LoadedLook {
  readonly declared: DeclaredUnits;
  /** Answers for the units of this turn, and for others. */
  readonly states: readonly UnitState[];
  /** Paths of files that are told of by themselves, and units whose state is. */
  readonly told: ReadonlySet<string>;
  /** The directory of the Nix store: what is in it is declared. */
  readonly store: string;
}

/** What was said of each unit last, and whose turn it is. */
export class LoadedUnits {
  #states: ReadonlyMap<string, UnitState> = new Map();
  #differing: readonly string[] = [];
  #next = 0;

  /** The units to ask for at this look: the next ones, and those of which something differed at the last. */
  turn({ names }: Pick<DeclaredUnits, "names">): readonly string[] {
    const ours = ownUnits(names);
    const isOurs = new Set(ours);
    this.#states = new Map([...this.#states].filter(([unit]) => isOurs.has(unit)));
    if (this.#next >= ours.length) this.#next = 0;
    const share = ours.slice(this.#next, this.#next + mostAsked);
    this.#next += mostAsked;
    return [...new Set([...share, ...this.#differing.filter((unit) => isOurs.has(unit))])];
  }

  differences({ declared, states, told, store }: LoadedLook): readonly Difference[] {
    this.#states = new Map([...this.#states, ...states.map((state) => [state.unit, state] as const)]);
    const found = [...this.#states.values()].map((state) => ({
      unit: state.unit,
      foreign: foreignPaths(state, told, store),
      isStale: state.needsReload && !told.has(state.unit),
    }));
    const differing = found.filter(({ foreign, isStale }) => isStale || foreign.length > 0);
    this.#differing = differing.map(({ unit }) => unit);
    const paths = [...new Set(differing.flatMap(({ foreign }) => foreign))].sort();
    return [
      ...paths.map((path) => {
        const units = differing.filter(({ foreign }) => foreign.includes(path)).map(({ unit }) => unit);
        return foreignDifference(path, units.sort(), declared);
      }),
      // Where something foreign is put right, systemd reads its units again anyway.
      ...differing.filter(({ foreign }) => foreign.length === 0).map(({ unit }) => olderDefinition(unit)),
    ];
  }
}

/** Templates have no state; their instances are runs, which come and go. */
function ownUnits(names: ReadonlySet<string>): readonly string[] {
  return [...names].filter((name) => name.startsWith("daruma-") && !name.includes("@")).sort();
}

function foreignPaths(
  { unit, fragmentPath, dropInPaths }: UnitState,
  told: ReadonlySet<string>,
  store: string,
): readonly string[] {
  const isDeclared = (path: string) =>
    path.startsWith(`${store}/`) || declaredPlaces.some((place) => path.startsWith(place));
  return [...(fragmentPath === "" ? [] : [fragmentPath]), ...dropInPaths].filter(
    (path) => !isDeclared(path) && !told.has(path) && !isOwnDropIn(path, unit),
  );
}

/** The file itself may be gone: setting aside what is not there is nothing, and the rest is done all the same. */
function foreignDifference(
  path: string,
  units: readonly string[],
  { restartable }: DeclaredUnits,
): Difference {
  const remedy: Remedy = othersPlaces.some((place) => path.startsWith(place))
    ? { kind: "remove", path, units: units.filter((unit) => restartable.has(unit)) }
    : { kind: "none", why: "whose file it is cannot be told from where it is" };
  return {
    kind: "state",
    at: path,
    declared: [],
    observed: units.map((unit) => `loaded for ${unit}`),
    remedy,
  };
}
