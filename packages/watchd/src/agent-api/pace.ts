/** How much an agent may append: a bucket that holds `burst` and is filled with `perSecond`. */
export interface Pace {
  readonly perSecond: number;
  readonly burst: number;
}

/** One agent's entries. A thousand agents at this pace are what ledgerd takes; one that loops cannot fill the disk in a night. */
export const agentPace: Pace = { perSecond: 100, burst: 1_000 };

export interface Bucket {
  readonly level: number;
  /** Monotonic, in milliseconds. */
  readonly at: number;
}

export function fullBucket(pace: Pace, now: number): Bucket {
  return { level: pace.burst, at: now };
}

/** Takes `wanted` (at most `burst`) out of the bucket, or says after how many milliseconds there will be as much in it. */
export function take(
  pace: Pace,
  bucket: Bucket,
  wanted: number,
  now: number,
): { readonly bucket: Bucket; readonly waitMs: number } {
  const elapsed = Math.max(0, now - bucket.at);
  const level = Math.min(pace.burst, bucket.level + (elapsed * pace.perSecond) / 1000);
  if (wanted <= level) return { bucket: { level: level - wanted, at: now }, waitMs: 0 };
  return { bucket: { level, at: now }, waitMs: ((wanted - level) * 1000) / pace.perSecond };
}
