import t from "tap";
import { run } from "./commands.ts";

const never = new AbortController().signal;
const patient = { timeoutMs: 30_000, signal: never };

t.test("a command's end, its output and what went wrong", async (t) => {
  const said = await run("sh", ["-c", "echo out; echo; echo warning >&2"], patient);
  t.same(said, { ok: true, stdout: "out\n", stderr: "warning", problem: "", timedOut: false });
  const failed = await run("sh", ["-c", "echo why >&2; exit 3"], patient);
  t.same(failed, {
    ok: false,
    stdout: "",
    stderr: "why",
    problem: "sh ended with exit code 3",
    timedOut: false,
  });
  t.match(await run("sh", ["-c", "kill -KILL $$"], patient), { ok: false, problem: "sh: SIGKILL" });
});

t.test("what cannot be run at all is a problem like any other", async (t) => {
  t.match(await run("no-such-program", [], patient), { ok: false, problem: /no-such-program ENOENT/ });
  t.match(await run("no\0program", [], patient), { ok: false, problem: /null bytes/ });
});

t.test("a time that is over is over, whoever else still holds the output", async (t) => {
  const start = performance.now();
  const ended = await run("sh", ["-c", "echo pid $$; sleep 60 & wait"], { timeoutMs: 50, signal: never });
  t.match(ended, { ok: false, stdout: /^pid \d+$/, problem: "sh did not end within 50 ms", timedOut: true });
  const after = await run("sh", ["-c", "sleep 60 & exit 0"], { timeoutMs: 50, signal: never });
  t.match(after, { ok: false, problem: "sh did not end within 50 ms", timedOut: true });
  t.ok(performance.now() - start < 50_000);
});

t.test("a command that is no longer wanted ends, and none begins to act after that", async (t) => {
  const wanted = new AbortController();
  const running = run("sleep", ["60"], { timeoutMs: 60_000, signal: wanted.signal });
  wanted.abort();
  t.match(await running, { ok: false, problem: "sleep: it was no longer wanted", timedOut: false });
  const late = await run("sleep", ["60"], { timeoutMs: 60_000, signal: wanted.signal });
  t.match(late, { ok: false, problem: "sleep: it was no longer wanted", timedOut: false });
});
