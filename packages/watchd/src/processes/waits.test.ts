import { spawnSync } from "node:child_process";
import t from "tap";
import { createWaits } from "./waits.ts";

t.test("a pause ends", async () => {
  await createWaits().pause(1);
});

t.test("waiting within a bound tells whether the promise settled", async (t) => {
  const waits = createWaits();
  t.equal(await waits.within(Promise.resolve("x"), 10_000), true);
  t.equal(await waits.within(new Promise(() => undefined), 1), false);
  await t.rejects(waits.within(Promise.reject(new Error("no")), 10_000), { message: "no" });
  t.notOk(process.getActiveResourcesInfo().includes("Timeout"), "no timer is left");
});

t.test("once released, no wait holds up the end of the process, begun before or after", async (t) => {
  const script = `
    const { createWaits } = await import(${JSON.stringify(new URL("./waits.ts", import.meta.url).href)});
    const waits = createWaits();
    waits.pause(600_000);
    waits.within(new Promise(() => {}), 600_000);
    waits.release();
    waits.pause(600_000);`;
  const { status } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    timeout: 60_000,
  });
  t.equal(status, 0);
});
