import fc from "fast-check";

const surrogates = { first: 0xd800, count: 0x800 };

/**
 * Any character of Unicode: the values of fast-check's own unit "binary", seed by seed. That one makes a table of all 1,112,064 of
 * them first, which takes longer than most properties.
 */
export const character: fc.Arbitrary<string> = fc
  .integer({ min: 0, max: 0x10ffff - surrogates.count })
  .map(characterAt, indexOf);

function characterAt(index: number): string {
  return String.fromCodePoint(index < surrogates.first ? index : index + surrogates.count);
}

function indexOf(value: unknown): number {
  const point = typeof value === "string" ? value.codePointAt(0) : undefined;
  if (point === undefined || value !== String.fromCodePoint(point)) throw new Error("not one character");
  if (point < surrogates.first) return point;
  if (point < surrogates.first + surrogates.count) throw new Error("half a character");
  return point - surrogates.count;
}
