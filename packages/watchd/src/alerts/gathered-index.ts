import { type AlertSeverity, alertSeverities } from "@daruma/config";
import type { Gathered } from "./state.ts";

type Entry = readonly [place: string, Gathered];

/** What is gathered for one sink, by how severe it is: a storm asks for each of thousands how many there are. */
export class GatheredIndex {
  readonly #bySeverity: Readonly<Record<AlertSeverity, Map<string, Gathered>>> = {
    info: new Map(),
    warning: new Map(),
    error: new Map(),
    critical: new Map(),
  };

  /** @param before what is gathered under this place now, if anything is */
  set(place: string, before: Gathered | undefined, gathered: Gathered | null): void {
    if (before !== undefined && before.notice.severity !== gathered?.notice.severity)
      this.#bySeverity[before.notice.severity].delete(place);
    if (gathered !== null) this.#bySeverity[gathered.notice.severity].set(place, gathered);
  }

  get size(): number {
    return Object.values(this.#bySeverity).reduce((sum, { size }) => sum + size, 0);
  }

  has(severity: AlertSeverity): boolean {
    return this.#bySeverity[severity].size > 0;
  }

  /** One of the least severe, the one that was gathered first. */
  get least(): Entry | undefined {
    for (const severity of alertSeverities) {
      for (const entry of this.#bySeverity[severity]) return entry;
    }
    return undefined;
  }

  entries(): readonly Entry[] {
    return Object.values(this.#bySeverity).flatMap((map) => [...map]);
  }
}
