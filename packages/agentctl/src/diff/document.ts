/** What a deploy would do, for a person who has to approve it and for programs. */
export interface FleetDiff {
  readonly hosts: readonly HostDiff[];
  /** What concerns every host, in sentences. */
  readonly notes: readonly string[];
}

export interface HostDiff {
  readonly host: string;
  readonly state: "added" | "removed" | "changed" | "unchanged";
  readonly units: readonly UnitChange[];
  readonly egress: readonly EgressChange[];
  readonly policies: readonly PolicyChange[];
}

export interface UnitChange {
  readonly unit: string;
  /**
   * What the switch does to it, if it runs. `none`: it is left alone. Of the templates of routines, whose runs no switch touches:
   * `add`, `remove`, and `next` where the next runs are other ones.
   */
  readonly action: "start" | "stop" | "restart" | "reload" | "none" | "add" | "remove" | "next";
  /** What about it changed, as options of the fleet file; values are left out where they could be anything. */
  readonly reasons: readonly string[];
}

export interface EgressChange {
  /** Or `routine:NAME`. */
  readonly agent: string;
  readonly change: "opened" | "closed";
  readonly what: string;
}

export interface PolicyChange {
  /** Or `routine:NAME`; `null` for the host's own. */
  readonly agent: string | null;
  readonly option: string;
  /** As they are written in a fleet file; `null` where there is none. */
  readonly from: string | null;
  readonly to: string | null;
}

/** Whether a deploy would do anything. */
export function hasChanges({ hosts, notes }: FleetDiff): boolean {
  return notes.length > 0 || hosts.some(({ state }) => state !== "unchanged");
}
