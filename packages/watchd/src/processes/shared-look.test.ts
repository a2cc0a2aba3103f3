import { setImmediate as nextTurn } from "node:timers/promises";
import t from "tap";
import { SharedLook } from "./shared-look.ts";

t.test("all who ask in one turn see the same, and nobody sees it in a later one", async (t) => {
  const look = new SharedLook();
  const first = look.now();
  await Promise.resolve();
  t.equal(look.now(), first);
  t.ok(first.table.has(process.pid));
  await nextTurn();
  t.not(look.now(), first);
});

t.test("what was seen before a run was started is no look at that run", async (t) => {
  const look = new SharedLook();
  const before = look.now();
  look.forget();
  t.not(look.now(), before);
});
