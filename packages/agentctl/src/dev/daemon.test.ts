import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { eventually, isAlive, scratchDirectory } from "../test-support/agentctl.ts";
import { Daemon } from "./daemon.ts";

async function setUp(t: Test) {
  const directory = scratchDirectory(t);
  const [file, starts] = [join(directory, "instructions.json"), join(directory, "starts")];
  const instruct = (mode: string) => writeFile(file, JSON.stringify({ mode, starts }));
  const events: { down: string[]; up: number[] } = { down: [], up: [] };
  const spec = {
    name: "watchd",
    program: join(import.meta.dirname, "fixtures", "daemon.ts"),
    args: [file],
    log: join(directory, "log"),
    environment: process.env,
  } as const;
  const start = (signal = new AbortController().signal) =>
    Daemon.start(
      spec,
      {
        onDown: (error) => events.down.push(error.message),
        onUp: (pid) => events.up.push(pid),
      },
      signal,
    );
  const pids = async () =>
    (await readFile(starts, "utf8").catch(() => "")).split("\n").filter(Boolean).map(Number);
  await instruct("serve");
  return { instruct, start, events, pids, spec };
}

t.test("a daemon that dies is started again, however often, until it is stopped", async (t) => {
  const { start, events, pids } = await setUp(t);
  const { daemon, ready } = await start();
  process.kill(ready.pid, "SIGKILL");
  const second = await eventually("it is back", () => events.up[0] ?? null);
  process.kill(second, "SIGKILL");
  const third = await eventually("it is back again", () => events.up[1] ?? null);
  t.match(events.down, [/by SIGKILL/, /by SIGKILL/]);
  await daemon.stop(5_000);
  t.equal(isAlive(third), false);
  t.same(await pids(), [ready.pid, second, third]);
});

t.test("a daemon that does not start says why, and nothing is left running", async (t) => {
  const { start, instruct, pids } = await setUp(t);
  await instruct("fail");
  await t.rejects(start(), { code: "TEST_E_REFUSED", message: "watchd: will not start", exit: 3 });
  t.notOk((await pids()).some(isAlive));
});

t.test("a restart that fails is told and tried again", async (t) => {
  const { start, instruct, events } = await setUp(t);
  const { daemon, ready } = await start();
  await instruct("fail");
  process.kill(ready.pid, "SIGKILL");
  await eventually("a restart has failed", () => (events.down.length > 2 ? true : null));
  await instruct("serve");
  await eventually("it is back", () => events.up[0] ?? null);
  await daemon.stop(5_000);
  t.match(events.down[1], "will not start");
});

t.test("one that ignores SIGTERM is killed when its time is over", async (t) => {
  const { start, instruct } = await setUp(t);
  await instruct("stubborn");
  const { daemon, ready } = await start();
  await daemon.stop(50);
  t.equal(isAlive(ready.pid), false);
});

t.test("stopping while a restart is due prevents it", async (t) => {
  const { start, instruct, events, pids } = await setUp(t);
  const { daemon, ready } = await start();
  await instruct("fail");
  process.kill(ready.pid, "SIGKILL");
  await eventually("it is down", () => (events.down.length > 0 ? true : null));
  await daemon.stop(5_000);
  t.notOk((await pids()).some(isAlive));
});

t.test("an interrupt during the start ends the daemon too", async (t) => {
  const { start, instruct, pids } = await setUp(t);
  await instruct("silent");
  const controller = new AbortController();
  const starting = start(controller.signal);
  await eventually("the process is there", async () => ((await pids()).length > 0 ? true : null));
  controller.abort(new Error("interrupted"));
  await t.rejects(starting, { message: "interrupted" });
  t.notOk((await pids()).some(isAlive));
});

t.test("daemons end when we die, and do not get our Ctrl-C", async (t) => {
  const { spec, pids } = await setUp(t);
  const script = `
    import { Daemon } from ${JSON.stringify(join(import.meta.dirname, "daemon.ts"))};
    await Daemon.start(${JSON.stringify(spec)}, { onDown() {}, onUp() {} }, new AbortController().signal);
    process.on("SIGINT", () => process.stdout.write("interrupted"));
    process.stdout.write("up");
    setInterval(() => {}, 60_000);`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  parent.stdout.on("data", (chunk) => {
    said += String(chunk);
  });
  await eventually("the daemon is up", () => (said === "up" ? true : null));
  const [daemon = 0] = await pids();
  if (parent.pid === undefined) throw new Error("the parent was not started");
  process.kill(-parent.pid, "SIGINT");
  await eventually("the parent has its signal", () => (said === "upinterrupted" ? true : null));
  t.equal(isAlive(daemon), true);
  parent.kill("SIGKILL");
  await eventually("the daemon is gone", () => (isAlive(daemon) ? null : true));
});
