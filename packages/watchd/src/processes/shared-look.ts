import { type Markers, readMarkers } from "./markers.ts";
import type { World } from "./membership.ts";
import { readProcessTable } from "./process-table.ts";

type Seen = Pick<World, "table" | "markersOf">;

/**
 * One look at all processes for everybody who asks in the same turn of the event loop: where a thousand runs end at once, each asks again
 * every few milliseconds whether it is gone, and a look of its own for each of them takes minutes of the processor.
 *
 * What is not in a look was not there when it was made, and a run that is ended begets no other. So it may be that old; but it has to be
 * younger than every run: whoever starts one calls `forget`.
 */
export class SharedLook {
  #seen: Seen | null = null;

  /** @throws as `readProcessTable` */
  now(): Seen {
    if (this.#seen === null) {
      this.#seen = { table: readProcessTable(), markersOf: remembering(readMarkers) };
      setImmediate(() => this.forget()).unref();
    }
    return this.#seen;
  }

  forget(): void {
    this.#seen = null;
  }
}

function remembering(read: (pid: number) => Markers | null): (pid: number) => Markers | null {
  const known = new Map<number, Markers | null>();
  return (pid) => {
    const before = known.get(pid);
    if (before !== undefined) return before;
    const markers = read(pid);
    known.set(pid, markers);
    return markers;
  };
}
