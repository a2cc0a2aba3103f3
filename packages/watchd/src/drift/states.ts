import type { Difference } from "./difference.ts";

/** What systemd says of a unit. */
export interface UnitState {
  readonly unit: string;
  readonly activeState: string;
  readonly subState: string;
  readonly type: string;
  readonly remainAfterExit: boolean;
  readonly needsReload: boolean;
  /** The unit file that systemd has loaded; empty for none. */
  readonly fragmentPath: string;
  /** The drop-ins that it has loaded with it. */
  readonly dropInPaths: readonly string[];
}

/** As `systemctl show` names them. */
export const stateProperties = [
  "Id",
  "ActiveState",
  "SubState",
  "Type",
  "RemainAfterExit",
  "NeedDaemonReload",
  "FragmentPath",
  "DropInPaths",
] as const;

/** On its way up or down: how that ends is not known yet. */
const onTheWay = new Set(["activating", "deactivating", "reloading", "refreshing", "maintenance"]);

/** Daemons, timers, mounts and paths of ours that are to be up. One that systemd does not know is not up. */
export function stateDifferences(
  declared: readonly string[],
  observed: readonly UnitState[],
): readonly Difference[] {
  const states = new Map(observed.map((state) => [state.unit, state]));
  return declared.flatMap((unit) => {
    const state = states.get(unit);
    const found: Difference[] = [];
    if (state === undefined || !isUp(state)) {
      const observed = state === undefined ? [] : [`${state.activeState} (${state.subState})`];
      const remedy = { kind: "start", unit } as const;
      found.push({ kind: "state", at: unit, declared: ["active"], observed, remedy });
    } else if (state.needsReload) found.push(olderDefinition(unit));
    return found;
  });
}

/** systemd goes by what was on disk when it read its units last. */
export function olderDefinition(unit: string): Difference {
  const observed = ["an older definition"];
  const declared = ["the definition on disk"];
  return { kind: "state", at: unit, declared, observed, remedy: { kind: "reload" } };
}

function isUp({ activeState, type, remainAfterExit }: UnitState): boolean {
  if (activeState === "active" || onTheWay.has(activeState)) return true;
  // It has done what it had to do.
  return activeState === "inactive" && type === "oneshot" && !remainAfterExit;
}

/** The output of `systemctl show` for several units. */
export function parseStates(text: string): readonly UnitState[] {
  return text
    .split(/\n\n+/)
    .filter((block) => block.trim() !== "")
    .map((block) => {
      const values = new Map(
        block.split("\n").map((line) => {
          const at = line.indexOf("=");
          return [line.slice(0, at), line.slice(at + 1)] as const;
        }),
      );
      const value = (name: (typeof stateProperties)[number]) => values.get(name) ?? "";
      return {
        unit: value("Id"),
        activeState: value("ActiveState"),
        subState: value("SubState"),
        type: value("Type"),
        remainAfterExit: value("RemainAfterExit") === "yes",
        needsReload: value("NeedDaemonReload") === "yes",
        fragmentPath: value("FragmentPath"),
        // A list of absolute paths. A blank that no path begins after is part of a name.
        dropInPaths: value("DropInPaths")
          .split(/ (?=\/)/)
          .filter((path) => path !== ""),
      };
    });
}
