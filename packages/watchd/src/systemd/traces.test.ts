import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { around, running, waiting } from "./fixtures/facts.ts";
import { agentOfTrace, causeOf, createTraces, endOf, parseExitTrace } from "./traces.ts";

const dumped = { result: "core-dump", code: "dumped", status: "SEGV", invocation: "i1" };
const none = { exit: null, asked: null, inSwitch: false };

function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), "daruma-traces-"));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

t.test("a trace is four words; anything else is none", async (t) => {
  t.same(parseExitTrace("core-dump dumped SEGV i1\n"), dumped);
  t.same(parseExitTrace("resources - - i1\n"), {
    result: "resources",
    code: "-",
    status: "-",
    invocation: "i1",
  });
  for (const text of [null, "", "\n", "success exited 0", "success exited 0 i1 more"])
    t.equal(parseExitTrace(text), null);
});

t.test("traces are read from the files that the hooks leave", async (t) => {
  const path = directory(t);
  const traces = createTraces(path);
  t.equal(traces.exitOf("a"), null);
  t.equal(traces.askedOf("a"), null);
  writeFileSync(join(path, "a"), "core-dump dumped SEGV i1\n");
  writeFileSync(join(path, "a.asked"), "i0\n");
  t.same(traces.exitOf("a"), dumped);
  t.equal(traces.askedOf("a"), "i0");
  writeFileSync(join(path, "a.asked"), "");
  t.equal(traces.askedOf("a"), null);
});

t.test("a trace that cannot be read is an error, not an agent that has left none", async (t) => {
  t.throws(() => createTraces("/etc/passwd").exitOf("a"), { code: "ENOTDIR" });
});

t.test("a file is about the agent that it is named after", async (t) => {
  t.equal(agentOfTrace("web-2"), "web-2");
  t.equal(agentOfTrace("web-2.asked"), "web-2");
});

t.test("the trace tells the cause of an end", async (t) => {
  const cause = (code: string, status: string) =>
    causeOf(
      "i1",
      { exit: { result: "x", code, status, invocation: "i1" }, asked: null, inSwitch: false },
      null,
    );
  t.same(cause("exited", "0"), { kind: "exit", code: 0 });
  t.same(cause("exited", "75"), { kind: "exit", code: 75 });
  t.same(cause("killed", "KILL"), { kind: "signal", signal: "SIGKILL" });
  t.same(cause("dumped", "SEGV"), { kind: "signal", signal: "SIGSEGV", core: true });
  t.same(cause("killed", "RTMIN+3"), { kind: "signal", signal: "SIGRTMIN+3" });
  const silent = { result: "watchdog", code: "exited", status: "0", invocation: "i1" };
  t.same(causeOf("i1", { exit: silent, asked: null, inSwitch: false }, null), { kind: "watchdog" });
  t.same(
    causeOf(
      "i1",
      {
        exit: { result: "oom-kill", code: "exited", status: "1", invocation: "i1" },
        asked: null,
        inSwitch: false,
      },
      null,
    ),
    { kind: "signal", signal: "SIGKILL", sentBy: "oom-killer" },
    "the kernel ran out of memory for it",
  );
  const late = { result: "timeout", code: "killed", status: "KILL", invocation: "i1" };
  t.match(causeOf("i1", { exit: late, asked: null, inSwitch: false }, null), { sentBy: "systemd" });
  t.same(cause("-", "-"), { kind: "unknown" }, "there was no process");
  t.same(cause("exited", "-"), { kind: "unknown" });
});

t.test("a run that somebody asked to stop was stopped, however it ended then", async (t) => {
  t.same(causeOf("i1", { exit: dumped, asked: "i1", inSwitch: false }, null), {
    kind: "stopped",
    inSwitch: false,
  });
  t.same(causeOf("i1", { exit: null, asked: "i1", inSwitch: true }, null), {
    kind: "stopped",
    inSwitch: true,
  });
  t.same(
    causeOf("i1", { exit: null, asked: "i1", inSwitch: false }, waiting),
    { kind: "exit", code: 3 },
    "systemd does not restart what somebody stopped",
  );
  t.same(causeOf("i1", { exit: dumped, asked: "i0", inSwitch: false }, null), {
    kind: "signal",
    signal: "SIGSEGV",
    core: true,
  });
});

t.test("without a trace of its own, systemd tells it, as long as it still can", async (t) => {
  const killed = { ...waiting, execMainCode: 2, execMainStatus: 9 };
  t.same(causeOf("i1", none, waiting), { kind: "exit", code: 3 });
  t.same(causeOf("i1", none, { ...killed, result: "watchdog" }), { kind: "watchdog" });
  t.same(causeOf("i1", none, killed), { kind: "signal", signal: "SIGKILL" });
  t.match(causeOf("i1", none, { ...killed, result: "oom-kill" }), { sentBy: "oom-killer" });
  t.same(causeOf("i1", none, { ...killed, execMainCode: 3, execMainStatus: 11 }), {
    kind: "signal",
    signal: "SIGSEGV",
    core: true,
  });
  t.same(causeOf("i1", { ...none, exit: { ...dumped, invocation: "i0" } }, killed), {
    kind: "signal",
    signal: "SIGKILL",
  });
  t.same(causeOf("i1", none, { ...killed, execMainStatus: 99 }), { kind: "unknown" });
  t.same(causeOf("i1", none, running), { kind: "unknown" }, "it has not ended, as far as systemd knows");
});

t.test("what is only known of another run of the unit tells nothing", async (t) => {
  t.same(causeOf("i0", { exit: dumped, asked: "i1", inSwitch: false }, waiting), { kind: "unknown" });
  t.same(causeOf("i0", none, null), { kind: "unknown" });
});

t.test(
  "when it ended is told by systemd, or by the age of the trace, and is never later than now",
  async (t) => {
    t.equal(endOf("i1", waiting, null, around), 9_000);
    t.equal(endOf("i1", waiting, around.wall - 500, around), 9_000, "systemd knows best");
    t.equal(endOf("i1", null, around.wall - 500, around), 9_500);
    t.equal(endOf("i1", { ...waiting, invocation: "i2" }, around.wall - 500, around), 9_500);
    t.equal(endOf("i1", null, around.wall + 60_000, around), 10_000, "the clock was set back since");
    t.equal(endOf("i1", { ...waiting, exitedMonotonicUs: 60_000_000 }, null, around), 10_000);
    t.equal(endOf("i1", running, null, around), 10_000, "systemd has not seen it yet");
  },
);
