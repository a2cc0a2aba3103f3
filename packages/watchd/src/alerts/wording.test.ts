import t from "tap";
import { effectsOf } from "./effects.ts";
import { duration, exitText, sentence } from "./wording.ts";

t.test("people are told how a process has ended and how long it took, not in JSON", async (t) => {
  t.equal(exitText({ kind: "exit", code: 3 }), "exit code 3");
  t.equal(exitText({ kind: "signal", signal: "SIGSEGV", core: true }), "killed by SIGSEGV (core dumped)");
  t.equal(
    exitText({ kind: "signal", signal: "SIGKILL", sentBy: "oom-killer" }),
    "killed by SIGKILL, for want of memory",
  );
  t.match(exitText({ kind: "signal", signal: "SIGABRT", sentBy: "systemd" }), /too slow/);
  t.match(exitText({ kind: "watchdog" }), /heartbeat/);
  t.equal(exitText(undefined), "");
  t.equal(exitText("odd\nthing"), "odd thing", "of another release");
  t.same([0.4, 493.01, 1_385.7, 119_000, 600_000, "x"].map(duration), [
    "0 ms",
    "493 ms",
    "1.4 s",
    "119 s",
    "10 min",
    "x",
  ]);
  t.equal(sentence("a".repeat(900)).length, 500);
  const [effect] = effectsOf({
    action: "recovery.verified",
    subject: "web",
    at: 0,
    details: { restarts: 1, verifiedAfterMs: 493.0198989957571, rolledBack: false },
  });
  t.match(effect, { title: "web is healthy again, after 493 ms, 1 restart" });
});
