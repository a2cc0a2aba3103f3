import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { keptLogs, openRunLog, readAgentLog, turnLog } from "./log-files.ts";

function scratch(t: Test): string {
  const home = mkdtempSync(join(tmpdir(), "daruma-log-"));
  t.teardown(() => rmSync(home, { recursive: true }));
  return home;
}

/** All that is left, read as one. */
function textOf(home: string): string {
  return readAgentLog(home)
    .parts.map(({ path, from, origin }) =>
      readFileSync(path)
        .subarray(from - origin)
        .toString("utf8"),
    )
    .join("");
}

t.test(
  "however often a log is turned while it is written, no line is lost, torn or there twice",
  async (t) => {
    const home = scratch(t);
    const log = openRunLog(home, "r-1");
    const total = 60_000;
    // As agents write: to a file that it was given, and knows nothing about.
    const script = `i=1; while [ $i -le ${total} ]; do echo "line $i"; i=$((i + 1)); done`;
    const writer = spawn("sh", ["-c", script], { stdio: ["ignore", log, log] });
    closeSync(log);
    const ended = once(writer, "exit");
    let isRunning = true;
    void ended.finally(() => {
      isRunning = false;
    });
    const lines: string[] = [];
    let turns = 0;
    while (isRunning) {
      if (await turnLog(home, 20_000)) turns += 1;
      // What would be dropped next is taken first.
      const copies = readAgentLog(home).parts.filter(({ to }) => to !== null);
      if (lines.length === 0 && copies.length > 0) lines.push(readFileSync(copies[0]?.path ?? "", "utf8"));
      await new Promise(setImmediate);
    }
    // A machine that is busy enough gives us no moment before.
    if (await turnLog(home, 20_000)) turns += 1;
    t.ok(turns >= 1, `turned ${turns} times`);
    const { parts } = readAgentLog(home);
    t.ok(parts.length <= keptLogs + 1, "no more is kept than is said");
    const numbers = textOf(home)
      .trimEnd()
      .split("\n")
      .map((line) => Number(/^line (\d+)$/.exec(line)?.[1]));
    t.equal(numbers.at(-1), total);
    t.ok(
      numbers.every((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1),
      "without a gap",
    );
    const oldest = parts[0];
    const expected = Array.from({ length: total }, (_, index) => `line ${index + 1}\n`).join("");
    t.equal(textOf(home), expected.slice(oldest?.from), "and each where its position says");
    const blocks = Number(execFileSync("stat", ["-c", "%b", join(home, "log")], { encoding: "utf8" })) * 512;
    t.ok(blocks < statSync(join(home, "log")).size, "what was copied away takes no room any more");
  },
);

t.test("each run knows where it begins, before and after turns", async (t) => {
  const home = scratch(t);
  const say = (run: string, text: string, maxBytes?: number) => {
    const log = openRunLog(home, run, maxBytes);
    writeSync(log, text);
    closeSync(log);
  };
  say("r-1", "one\n");
  say("r-2", "two\ntwo\n");
  t.equal(await turnLog(home, 5), true);
  t.equal(await turnLog(home, 5), false, "there is nothing left");
  say("r-3", "three\n", 1);
  t.match(readAgentLog(home).runs, [
    { run: "r-1", from: 0 },
    { run: "r-2", from: 4 },
    { run: "r-3", from: 12 },
  ]);
  t.equal(textOf(home), "one\ntwo\ntwo\nthree\n");
  rmSync(join(home, "log"));
  say("r-4", "four\n");
  const { parts, runs } = readAgentLog(home);
  t.ok((runs.at(-1)?.from ?? 0) >= 12);
  t.equal(readFileSync(parts.at(-1)?.path ?? "", "utf8"), "four\n");
});

t.test("at a start a large log is set aside as a whole", async (t) => {
  const home = scratch(t);
  for (const run of ["1", "2", "3", "4", "5", "6"]) {
    const log = openRunLog(home, run, 3);
    writeSync(log, `${run}234\n`);
    closeSync(log);
  }
  t.equal(textOf(home), "3234\n4234\n5234\n6234\n");
  t.same(readdirSync(home).filter((name) => /^log\.\d/.test(name)).length, keptLogs);
  t.same(
    readAgentLog(home).runs.map(({ from }) => from),
    [0, 5, 10, 15, 20, 25],
  );
});
