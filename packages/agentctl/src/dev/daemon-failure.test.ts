import t from "tap";
import { explainDaemonFailure } from "./daemon-failure.ts";

const end = { name: "ledgerd", how: "with exit code 6", exitCode: 6, log: "/s/ledgerd.log" };

t.test("what a daemon complains of keeps its code, hint and exit code", async (t) => {
  const document = JSON.stringify({
    schemaVersion: 1,
    error: { code: "LEDGER_E_DAMAGED", message: "entry 5 is bad", hint: "Keep a copy.", where: "/s/ledger" },
  });
  t.match(explainDaemonFailure({ ...end, text: `earlier noise\n${document}\n` }), {
    code: "LEDGER_E_DAMAGED",
    message: "ledgerd: entry 5 is bad",
    hint: "Keep a copy.",
    where: "/s/ledger",
    exit: 6,
  });
  const text = "watchd: WATCHD_E_ALREADY_RUNNING: another watchd works here\n  Use that one.\n";
  t.match(explainDaemonFailure({ ...end, exitCode: 1, text }), {
    code: "WATCHD_E_ALREADY_RUNNING",
    message: "ledgerd: another watchd works here",
    hint: "Use that one.",
    exit: 1,
  });
});

t.test("a crash names its error and the log", async (t) => {
  const text = "file:///x.ts:1\nSyntaxError: bad\n    at x\n\nNode.js v24.0.0\n";
  t.match(explainDaemonFailure({ ...end, text }), {
    code: "DEV_E_DAEMON",
    message: "ledgerd ended with exit code 6: SyntaxError: bad",
    hint: "Read /s/ledgerd.log.",
  });
  t.match(explainDaemonFailure({ ...end, exitCode: null, how: "by SIGKILL", text: "" }), {
    code: "DEV_E_DAEMON",
    message: "ledgerd ended by SIGKILL",
    exit: 1,
  });
});

t.test("text that only looks like a document is no document", async (t) => {
  for (const text of ["{broken", "{}", '{"error":null}', '{"error":{"code":1}}']) {
    t.match(explainDaemonFailure({ ...end, text }), { code: "DEV_E_DAEMON" }, text);
  }
});
