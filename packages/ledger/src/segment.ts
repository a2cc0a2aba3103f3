import { Frontier, hashBytes, leafHash, type TreeHash } from "./merkle.ts";
import { checkEntry } from "./verify.ts";

/**
 * A run of entries, each of them good and each following the one before: what the chain and the tree need to know of it
 * instead of the entries.
 */
export interface Segment {
  readonly entries: number;
  readonly host: string;
  readonly first: { readonly seq: number; readonly prev: string; readonly time: string };
  readonly last: { readonly seq: number; readonly hash: string; readonly time: string };
  /** Entries with an earlier time than the one before, the first one aside. */
  readonly clockSteps: number;
  /** The hashes of the cover of its leaves, one after the other. */
  readonly nodes: Uint8Array;
}

const newline = 0x0a;

/**
 * Checks whole lines, the last newline included. `null` unless every one of them is a good entry and follows the one before:
 * what it is instead, only a look at each line can tell.
 */
export function readSegment(lines: Buffer): Segment | null {
  let first: Segment["first"] | null = null;
  let last: Segment["last"] | null = null;
  let host = "";
  let frontier = new Frontier();
  let clockSteps = 0;
  for (let from = 0; from < lines.length; ) {
    const to = lines.indexOf(newline, from);
    if (to === -1) return null;
    const line = lines.subarray(from, to);
    const { entry, fault } = checkEntry(line);
    if (entry === null || fault !== null) return null;
    const { seq, prev, hash, time } = entry;
    if (last === null) {
      host = entry.host;
      frontier = new Frontier(seq - 1);
      first = { seq, prev, time };
    } else {
      if (seq !== last.seq + 1 || prev !== last.hash || entry.host !== host) return null;
      if (time < last.time) clockSteps += 1;
    }
    frontier.push(leafHash(line));
    last = { seq, hash, time };
    from = to + 1;
  }
  if (first === null || last === null) return null;
  const nodes = new Uint8Array(Buffer.concat(frontier.hashes));
  return { entries: last.seq - first.seq + 1, host, first, last, clockSteps, nodes };
}

export function hashesOf(nodes: Uint8Array): readonly TreeHash[] {
  const bytes = Buffer.from(nodes.buffer, nodes.byteOffset, nodes.byteLength);
  return Array.from({ length: bytes.length / hashBytes }, (_, index) =>
    bytes.subarray(index * hashBytes, (index + 1) * hashBytes),
  );
}
