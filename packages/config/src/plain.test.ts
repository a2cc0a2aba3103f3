import { character } from "@daruma/base/test-support";
import fc from "fast-check";
import t from "tap";
import { toPlain } from "./plain.ts";

t.test("plain data passes unchanged", async () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: character }), (value) => {
      const { value: copy, problems } = toPlain(value);
      return problems.length > 0 || JSON.stringify(copy) === JSON.stringify(value);
    }),
  );
});

t.test("text that cannot be written down is reported wherever it stands", async (t) => {
  const { problems } = toPlain({ a: ["x", "\u0000"], b: { "\ud800": 1 }, c: "\udc00", d: "\ud83d\ude00" });
  t.same(
    problems.map(({ path }) => path),
    ["a[1]", 'b["\\ud800"]', "c"],
  );
});

t.test("instances, symbol keys and cycles are reported and not followed", async (t) => {
  class Thing {}
  const cycle: Record<string, unknown> = { map: new Map(), thing: new Thing(), [Symbol("s")]: 1 };
  cycle.self = [cycle];
  t.same(
    toPlain(cycle).problems.map(({ path }) => path),
    ['["Symbol(s)"]', "map", "thing", "self[0]"],
  );
});

t.test("a value that stands in two places is not a cycle", async (t) => {
  const shared = { x: 1 };
  t.same(toPlain({ a: shared, b: [shared, shared] }).problems, []);
});

t.test("a module namespace counts as plain, and a key named __proto__ stays a key", async (t) => {
  const namespace = await import("./words.ts");
  t.same(toPlain(namespace).problems, []);
  const { value } = toPlain(JSON.parse('{"__proto__": 1}'));
  t.same(Object.keys(value as object), ["__proto__"]);
});
