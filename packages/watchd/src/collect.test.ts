import { mock } from "node:test";
import t from "tap";
import { Collector } from "./collect.ts";

t.test("garbage is collected once after the start, when nothing has been heard for a while", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.teardown(() => mock.timers.reset());
  const pass = (ms: number) => mock.timers.tick(ms);
  let collections = 0;
  const collector = new Collector(() => {
    collections += 1;
  });
  pass(9_000);
  collector.onNews();
  pass(9_999);
  t.equal(collections, 0);
  pass(1);
  t.equal(collections, 1);
  collector.onNews();
  pass(60_000);
  t.equal(collections, 1, "not again at each piece of news");
  collector.onSwitch();
  pass(10_000);
  t.equal(collections, 2, "but after another generation");
});
