import fc from "fast-check";
import t from "tap";
import { character } from "./character.ts";

t.test("every value is one whole character, and is recognized as a value", async () => {
  fc.assert(
    fc.property(character, (value) => {
      return value.isWellFormed() && [...value].length === 1 && character.canShrinkWithoutContext(value);
    }),
    { numRuns: 1000 },
  );
});

t.test("every end of a range is a character, and what is none is not taken for one", async (t) => {
  for (const good of ["\0", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}"])
    t.equal(character.canShrinkWithoutContext(good), true, JSON.stringify(good));
  for (const bad of ["", "ab", "\ud800", "\udfff", "a\u{10000}", 1])
    t.equal(character.canShrinkWithoutContext(bad), false, JSON.stringify(bad));
});
