import type { JsonValue } from "@daruma/base";
import { decodeFrame, type Frame, findRecords, isBlank, markOffset, snapshotOffset } from "./frame.ts";

export type FileIndex = 0 | 1;

export interface Recovered {
  readonly snapshot: JsonValue;
  /** What was appended after the snapshot, oldest first. */
  readonly deltas: readonly JsonValue[];
}

export interface Reading {
  /** `null` where nothing was ever acknowledged, or (with damage) nothing of it can be read. */
  readonly recovered: Recovered | null;
  /** The file that `recovered` comes from. The next snapshot must go to the other one. */
  readonly source: FileIndex | null;
  /** No epoch that was ever acknowledged is newer than this one. */
  readonly epoch: number;
  /** What was acknowledged and cannot be read any more, in words; `null` after any mere crash. */
  readonly damage: string | null;
}

/**
 * What two journal files say. A snapshot counts as acknowledged once the other file's mark names its epoch, a record
 * once a later record names it as durable; all else that is unreadable is the torn end of a write that nobody was told
 * had succeeded.
 */
export function readJournal(files: readonly [Buffer, Buffer]): Reading {
  const acknowledged = Math.max(markOf(files[0]), markOf(files[1]));
  const newest = newestSnapshot(files);
  if (newest === null) {
    const damage =
      acknowledged > 0
        ? `the snapshot of epoch ${acknowledged} is not readable, and there is no other`
        : files.some(isBlank)
          ? null
          : "neither file holds a readable snapshot";
    return { recovered: null, source: null, epoch: acknowledged, damage };
  }
  const { source, snapshot } = newest;
  const records = readRecords(files[source], snapshot);
  return {
    recovered: { snapshot: parse(snapshot), deltas: records.deltas },
    source,
    epoch: Math.max(acknowledged, snapshot.epoch),
    damage:
      acknowledged > snapshot.epoch
        ? `the snapshot of epoch ${acknowledged} is not readable; the newest that is has epoch ${snapshot.epoch}`
        : records.damage,
  };
}

/** The epoch that has replaced this file's, 0 for none. */
function markOf(file: Buffer): number {
  const mark = decodeFrame(file, markOffset);
  return mark?.kind === "mark" ? mark.epoch : 0;
}

function newestSnapshot(
  files: readonly [Buffer, Buffer],
): { readonly source: FileIndex; readonly snapshot: Frame } | null {
  const [first, second] = files.map((file) => {
    const frame = decodeFrame(file, snapshotOffset);
    return frame?.kind === "snapshot" ? frame : undefined;
  });
  if (first !== undefined && first.epoch > (second?.epoch ?? 0)) return { source: 0, snapshot: first };
  return second === undefined ? null : { source: 1, snapshot: second };
}

function readRecords(
  file: Buffer,
  snapshot: Frame,
): { readonly deltas: readonly JsonValue[]; readonly damage: string | null } {
  const deltas: JsonValue[] = [];
  let offset = snapshot.end;
  for (;;) {
    const frame = decodeFrame(file, offset);
    const expected = deltas.length + 1;
    if (frame?.kind !== "record" || frame.epoch !== snapshot.epoch || frame.seq !== expected) break;
    deltas.push(parse(frame));
    offset = frame.end;
  }
  const missing = deltas.length + 1;
  let durable = 0;
  for (const later of findRecords(file, offset, snapshot.epoch)) durable = Math.max(durable, later.durable);
  return {
    deltas,
    damage:
      durable < missing
        ? null
        : `records ${missing} to ${durable} of epoch ${snapshot.epoch} are not all readable (at byte ${offset})`,
  };
}

function parse(frame: Frame): JsonValue {
  return JSON.parse(frame.payload.toString("utf8"));
}
