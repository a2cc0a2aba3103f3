import t from "tap";
import { parseKeys, printKeys } from "./writer-keys.ts";

const keys = [
  { epoch: "e2", n: 1 },
  { epoch: "e 1", n: 5 },
];

t.test("the keys of a writer are read as they were written", async (t) => {
  t.same(parseKeys(printKeys(keys)), keys);
  t.same(parseKeys(printKeys(keys.slice(1))), keys.slice(1));
});

t.test(
  "a release that knows of one epoch only finds the last key where it looks for it, and writes what is read here",
  async (t) => {
    t.match(JSON.parse(printKeys(keys)), { epoch: "e2", n: 1 });
    t.same(parseKeys('{"epoch":"e2","n":1}'), keys.slice(0, 1));
  },
);

for (const text of [
  "",
  "{",
  "null",
  "[]",
  '{"epoch":1,"n":1}',
  '{"epoch":"e","n":1.5}',
  '{"epoch":"e","n":1,"others":{}}',
  '{"epoch":"e","n":1,"others":[{"n":1}]}',
])
  t.test(`${JSON.stringify(text)} is no keys`, async (t) => t.equal(parseKeys(text), null));
