import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import fc from "fast-check";
import t from "tap";
import { until } from "./fixtures/lab.ts";
import {
  couldNotLook,
  findAlive,
  pageBytes,
  parseStat,
  readEnvironment,
  readProcess,
  readProcessTable,
  ticksPerSecond,
} from "./process-table.ts";

/** The 52 fields of proc_pid_stat(5), by number. */
function statLine(fields: Readonly<Record<number, string | number>>): string {
  return Array.from({ length: 52 }, (_, index) => String(fields[index + 1] ?? 0)).join(" ");
}

function parse(line: string) {
  // As in use: a buffer that still holds the line before.
  const buffer = Buffer.alloc(4096, "9 ) ");
  const length = buffer.write(line, "utf8");
  return parseStat(42, buffer, length);
}

t.test("a stat line is read by its field numbers", async (t) => {
  const line = statLine({
    1: 42,
    2: "(node)",
    3: "S",
    5: 40,
    6: 39,
    14: 3,
    15: 4,
    16: 5,
    17: 6,
    20: 7,
    22: 123456,
    24: 8,
    52: 256,
  });
  t.same(parse(line), {
    pid: 42,
    group: 40,
    session: 39,
    startTicks: 123456,
    alive: true,
    kernelThread: false,
    waitStatus: 256,
    cpuTicks: 18,
    tasks: 7,
    residentPages: 8,
  });
});

t.test("no program name can shift the fields", async () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 64 }), fc.nat(), (name, startTicks) => {
      const info = parse(statLine({ 1: 42, 2: `(${name})`, 3: "S", 6: 39, 20: 1, 22: startTicks }));
      return info?.startTicks === startTicks && info.session === 39 && info.alive;
    }),
  );
});

t.test("a line that is cut off is no process", async (t) => {
  const line = statLine({ 1: 42, 2: "(node)", 3: "S", 22: 5 });
  for (let length = 0; length < line.length - 2; length++) t.equal(parse(line.slice(0, length)), null);
});

t.test("a zombie is not alive, but a leader whose other threads run on is", async (t) => {
  t.equal(parse(statLine({ 1: 42, 2: "(x)", 3: "Z", 20: 1 }))?.alive, false);
  t.equal(parse(statLine({ 1: 42, 2: "(x)", 3: "X", 20: 0 }))?.alive, false);
  t.equal(parse(statLine({ 1: 42, 2: "(x)", 3: "Z", 20: 3 }))?.alive, true);
});

t.test("kernel threads are told apart", async (t) => {
  t.equal(parse(statLine({ 1: 2, 2: "(kthreadd)", 3: "S", 9: 0x208040, 20: 1 }))?.kernelThread, true);
});

t.test("our own process is in the table, with a start time that means seconds since boot", async (t) => {
  const own = readProcessTable().get(process.pid);
  t.equal(own?.alive, true);
  t.equal(own?.kernelThread, false);
  const sinceBoot = Number(process.hrtime.bigint()) / 1e9;
  const age = sinceBoot - (own?.startTicks ?? 0) / ticksPerSecond;
  // The two clocks differ only by the time that the machine was suspended.
  t.ok(age <= process.uptime() + 1, `${age} s`);
});

t.test("a process is found by pid and start time together only", async (t) => {
  const own = readProcess(process.pid);
  t.not(own, null);
  t.equal(findAlive(process.pid, own?.startTicks ?? 0)?.pid, process.pid);
  t.equal(findAlive(process.pid, (own?.startTicks ?? 0) + 1), null);
});

t.test("the environment of a process can be read, and that of none is nothing", async (t) => {
  const child = spawn("sleep", ["60"], { env: { PATH: process.env.PATH, GREETING: "hello" } });
  t.teardown(() => child.kill("SIGKILL"));
  t.match(readEnvironment(child.pid ?? 0), "GREETING=hello\0");
  const gone = 2 ** 22 + 1;
  t.equal(readProcess(gone), null);
  t.equal(readEnvironment(gone), null);
});

t.test("the page size is the kernel's", async (t) => {
  const pages = Number(readFileSync("/proc/self/statm", "latin1").split(" ")[0]);
  const kilobytes = Number(/^VmSize:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);
  // Between the two, some may be mapped.
  t.ok(Math.abs((pages * pageBytes()) / 1_024 / kilobytes - 1) < 0.1);
});

t.test("a process that nobody has reaped is seen as dead", async (t) => {
  // The shell prints the pid of a child, which lasts until we end its input, and becomes a program that never waits.
  const parent = spawn("sh", ["-c", "cat <&3 & echo $!; exec sleep 60"], {
    stdio: ["ignore", "pipe", "inherit", "pipe"],
  });
  t.teardown(() => parent.kill("SIGKILL"));
  const [output, input] = [parent.stdio[1] as Readable, parent.stdio[3] as Writable];
  const pid = Number(String((await once(output, "data"))[0]));
  await until("the shell is no more", () => readFileSync(`/proc/${parent.pid}/comm`, "utf8") === "sleep\n");
  input.end();
  await until("the child has ended", () => readProcess(pid)?.alive === false);
  t.equal(findAlive(pid, readProcess(pid)?.startTicks ?? 0), null);
});

t.test("to be out of file descriptors is an error, not an empty machine", async (t) => {
  const script = `
    const { readProcessTable, readProcess, couldNotLook } = await import(${JSON.stringify(new URL("./process-table.ts", import.meta.url).href)});
    const { openSync } = await import("node:fs");
    readProcessTable();
    try { for (;;) openSync("/dev/null"); } catch {}
    const seen = [];
    for (const look of [readProcessTable, () => readProcess(process.pid)]) {
      try { look(); seen.push("answered"); } catch (error) { seen.push(couldNotLook(error)); }
    }
    process.exit(seen.every((one) => one === true) ? 0 : 1);`;
  const child = spawn("sh", [
    "-c",
    'ulimit -n 64; exec "$0" --input-type=module --eval "$1"',
    process.execPath,
    script,
  ]);
  t.equal(await new Promise((resolve) => child.on("exit", resolve)), 0);
  t.equal(couldNotLook(Object.assign(new Error(), { code: "EIO" })), false);
});
