import { msPerDay } from "./calendar.ts";

/** A stretch of time in which a zone keeps one offset. */
export interface Segment {
  /** First instant of it, Unix time in ms. */
  readonly start: number;
  /** First instant after it. */
  readonly end: number;
  /** Local time minus UTC, in ms. */
  readonly offset: number;
  /** The offset just before `start`; the same as `offset` where nothing changed that could matter to this segment. */
  readonly before: number;
}

/**
 * No zone has ever changed its offset and changed it back within this time, so looking that often finds every change (a
 * test looks every day).
 */
const sampleMs = 5 * msPerDay;
/** A change can concern the clock readings of a day or two after it (Samoa left out a whole day), never of so many. */
const lookBackMs = 40 * msPerDay;

/**
 * The offsets of one IANA time zone, from the zone data that Node carries. Years are looked at once, and only when somebody
 * asks for them. The time zone of this machine plays no part.
 */
export class Zone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  readonly #years = new Map<number, readonly Segment[]>();
  #last: Segment | undefined;

  constructor(name: string) {
    this.name = name;
    this.#format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  }

  segmentAt(instant: number): Segment {
    const last = this.#last;
    if (last !== undefined && instant >= last.start && instant < last.end) return last;
    const year = new Date(instant).getUTCFullYear();
    let segments = this.#years.get(year);
    if (segments === undefined) {
      segments = this.#segmentsOf(year);
      this.#years.set(year, segments);
    }
    const found = segments.find(({ end }) => instant < end);
    if (found === undefined) throw new Error(`no offset of ${this.name} at ${instant}`);
    this.#last = found;
    return found;
  }

  /** Local time minus UTC at an instant, in ms. */
  offsetAt(instant: number): number {
    const text = this.#format.format(instant);
    const sign = text.indexOf("GMT") + 3;
    if (sign === text.length) return 0;
    const [hours = 0, minutes = 0, seconds = 0] = text
      .slice(sign + 1)
      .split(":")
      .map(Number);
    const offset = ((hours * 60 + minutes) * 60 + seconds) * 1000;
    return text[sign] === "-" ? -offset : offset;
  }

  #segmentsOf(year: number): readonly Segment[] {
    const yearStart = startOfYear(year);
    const yearEnd = startOfYear(year + 1);
    const segments: Segment[] = [];
    let start = yearStart - lookBackMs;
    let offset = this.offsetAt(start);
    let before = offset;
    for (let at = start; at < yearEnd; ) {
      const next = Math.min(at + sampleMs, yearEnd);
      const changed = this.#changeWithin(at, next, offset);
      if (changed === null) {
        at = next;
        continue;
      }
      if (changed > yearStart) segments.push({ start, end: changed, offset, before });
      start = changed;
      before = offset;
      offset = this.offsetAt(changed);
      at = changed;
    }
    segments.push({ start, end: yearEnd, offset, before });
    return segments;
  }

  /** The first instant from `from`, up to but without `to`, that has another offset than the one before `from`. */
  #changeWithin(from: number, to: number, offset: number): number | null {
    if (this.offsetAt(to - 1) === offset) return null;
    let same = from - 1;
    let other = to - 1;
    while (other - same > 1) {
      const middle = Math.floor((same + other) / 2);
      if (this.offsetAt(middle) === offset) same = middle;
      else other = middle;
    }
    return other;
  }
}

function startOfYear(year: number): number {
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  return new Date(0).setUTCFullYear(year, 0, 1);
}

const zones = new Map<string, Zone>();

/** The zone of an IANA name; null if there is none. Offsets such as `+02:00` are no zones. */
export function findZone(name: string): Zone | null {
  const key = name.toLowerCase();
  const known = zones.get(key);
  if (known !== undefined) return known;
  if (!/^[a-z]/.test(key)) return null;
  try {
    const zone = new Zone(name);
    zones.set(key, zone);
    return zone;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
