/* Hashing a store takes long and disturbs: so each path has its turn, and the disk reads no more in a day than in any other. */

export interface StorePath {
  readonly path: string;
  /** As Nix counts it, in bytes. */
  readonly bytes: number;
}

/** Where the round through the store stands. It outlives watchd and the boot: what was hashed yesterday is not hashed again today. */
export interface Round {
  /** The last path whose turn it was; "" before the first. */
  readonly cursor: string;
  /** Bytes that may be read now. Below zero after a path that is larger than its share. */
  readonly credit: number;
  /** Unix milliseconds at which this round began, and the one before ended. */
  readonly beganAt: number;
  readonly endedAt: number | null;
}

export interface Turn {
  readonly round: Round;
  /** In the order of their names. */
  readonly paths: readonly string[];
}

/** No call to Nix is given more. */
const mostAtOnce = 200;

export function firstRound(now: number): Round {
  return { cursor: "", credit: 0, beganAt: now, endedAt: null };
}

/**
 * The paths whose turn it is, `elapsedMs` after the last time this was asked, so that a round takes `withinMs`.
 *
 * @param paths in the order of their names; it may differ from one time to the next.
 */
export function takeTurn(
  before: Round,
  paths: readonly StorePath[],
  { elapsedMs, withinMs, now }: { elapsedMs: number; withinMs: number; now: number },
): Turn {
  const total = paths.reduce((sum, { bytes }) => sum + bytes, 0);
  const share = total * (elapsedMs / withinMs);
  let { cursor, beganAt, endedAt } = before;
  // What could not be used is lost: it is a pace, not a debt.
  let credit = Math.min(before.credit, 0) + share;
  const taken: string[] = [];
  let at = firstAfter(paths, cursor);
  while (credit > 0 && taken.length < Math.min(mostAtOnce, paths.length)) {
    if (at >= paths.length) {
      at = 0;
      endedAt = now;
      beganAt = now;
    }
    const next = paths[at];
    if (next === undefined) break;
    taken.push(next.path);
    credit -= next.bytes;
    cursor = next.path;
    at += 1;
  }
  return { round: { cursor, credit, beganAt, endedAt }, paths: taken };
}

/** How many paths of the round are behind the cursor. */
export function progressOf({ cursor }: Round, paths: readonly StorePath[]): number {
  return firstAfter(paths, cursor);
}

function firstAfter(paths: readonly StorePath[], cursor: string): number {
  let [low, high] = [0, paths.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((paths[middle]?.path ?? "") <= cursor) low = middle + 1;
    else high = middle;
  }
  return low;
}
