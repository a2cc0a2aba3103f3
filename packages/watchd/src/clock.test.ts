import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { createClock, readBootId } from "./clock.ts";

const run = promisify(execFile);

t.test("the boot id is a UUID and stays the same", async (t) => {
  t.match(createClock().bootId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  t.equal(createClock().bootId, createClock().bootId);
});

t.test("a machine without a boot id is refused by code", async (t) => {
  t.throws(() => readBootId("/proc/no-such-file"), { code: "WATCHD_E_PLATFORM" });
});

t.test("the monotonic clock counts milliseconds on one scale in all processes", async (t) => {
  const module = fileURLToPath(new URL("./clock.ts", import.meta.url));
  const script = `const { createClock } = await import(${JSON.stringify(module)}); console.log(createClock().now().mono)`;
  const clock = createClock();
  const before = clock.now().mono;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script]);
  const after = clock.now().mono;
  t.ok(Number(stdout) > before, "the other process was asked after the first reading");
  t.ok(Number(stdout) < after, "and before the second");
});

t.test("the monotonic clock never goes back and its unit is the millisecond", async (t) => {
  const clock = createClock();
  const first = clock.now();
  while (clock.now().wall - first.wall < 20);
  const last = clock.now();
  t.ok(last.mono - first.mono > 10);
  t.ok(last.mono - first.mono < 20_000);
});

t.test("the wall clock is Unix time in milliseconds", async (t) => {
  const before = Date.now();
  const { wall } = createClock().now();
  t.ok(wall >= before && wall <= Date.now());
});
