/*
 * Sets of small numbers (0 to 63) as two 32-bit words: a host may have ten thousand schedules, and a set of sixty minutes
 * has to cost no more than two numbers.
 */
export interface Bits {
  readonly low: number;
  readonly high: number;
}

export const noBits: Bits = { low: 0, high: 0 };

export function bitsOf(values: Iterable<number>): Bits {
  let low = 0;
  let high = 0;
  for (const value of values) {
    if (value < 32) low |= 1 << value;
    else high |= 1 << (value - 32);
  }
  return { low, high };
}

export function hasBit({ low, high }: Bits, value: number): boolean {
  return value < 32 ? ((low >>> value) & 1) === 1 : ((high >>> (value - 32)) & 1) === 1;
}

/** The smallest member that is `from` (0 to 64) or more; -1 if there is none. */
export function nextBit({ low, high }: Bits, from: number): number {
  if (from < 32) {
    const rest = low & (-1 << from);
    if (rest !== 0) return lowestBit(rest);
    return high === 0 ? -1 : 32 + lowestBit(high);
  }
  if (from >= 64) return -1;
  const rest = high & (-1 << (from - 32));
  return rest === 0 ? -1 : 32 + lowestBit(rest);
}

export function isEmpty({ low, high }: Bits): boolean {
  return low === 0 && high === 0;
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
