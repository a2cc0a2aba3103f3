import t from "tap";
import { instrument } from "../locate/instrument.ts";
import type { Finding } from "./lints.ts";
import { silence } from "./silence.ts";

/** A finding of `code` on the line of the text that has `mark` in it. */
function judge(text: string, mark = "here", code: Finding["code"] = "LINT_E_GRACE") {
  const line = text.split("\n").findIndex((each) => each.includes(mark)) + 1;
  const place = { file: "/f.ts", line, column: 1, endLine: line, endColumn: 2 };
  const file = { path: "/f.ts", text, comments: instrument(text, 0).comments };
  const { findings, silenced } = silence([{ code, path: "a", message: "is bad", place }], [file]);
  return [...findings.map((each) => `${each.code} ${each.message}`), ...silenced.map(({ reason }) => reason)];
}

t.test("a comment with a reason silences what is on its line or on the next", async (t) => {
  t.same(judge("// daruma-ignore LINT_E_GRACE: because\nhere();"), ["because"]);
  t.same(judge("here(); // daruma-ignore LINT_E_GRACE: because"), ["because"]);
  t.same(judge("/* daruma-ignore LINT_E_GRACE: because */\n// more\n\nhere();"), ["because"]);
  t.same(judge("here();\n// daruma-ignore-file LINT_E_GRACE: all of it"), ["all of it"]);
});

t.test("a comment silences no more than it says", async (t) => {
  const open = "LINT_E_GRACE is bad";
  t.same(judge("// daruma-ignore LINT_E_GRACE: x\nother();\nhere();"), [
    open,
    "LINT_E_SILENCE LINT_E_GRACE is not found here: there is nothing to silence",
  ]);
  t.same(judge("const text = '// daruma-ignore LINT_E_GRACE: x';\nhere();"), [open]);
  t.same(judge("// daruma-ignored LINT_E_GRACE: x\nhere();"), [open]);
});

t.test("a comment without a reason silences nothing, and neither does one with a wrong code", async (t) => {
  t.match(judge("// daruma-ignore LINT_E_GRACE\nhere();"), [/is bad/, /has no reason/]);
  t.match(judge("// daruma-ignore LINT_E_GRACE:  \nhere();"), [/is bad/, /has no reason/]);
  t.match(judge("// daruma-ignore\nhere();"), [/is bad/, /names no code/]);
  t.match(judge("// daruma-ignore LINT_E_GRAC: x\nhere();"), [/is bad/, /did you mean LINT_E_GRACE/]);
  t.match(judge("// daruma-ignore LINT_E_NOT_REPEATABLE: x\nhere();", "here", "LINT_E_NOT_REPEATABLE"), [
    /is bad/,
    /cannot be silenced/,
  ]);
});

t.test(
  "what a helper makes can be silenced where it is used, and one comment can name several codes",
  async (t) => {
    const text = "// daruma-ignore LINT_E_GRACE, LINT_E_NO_HEALTH: batch job\nuse();";
    const file = { path: "/f.ts", text, comments: instrument(text, 0).comments };
    const inHelper = { file: "/helper.ts", line: 1, column: 1, endLine: 1, endColumn: 2 };
    const place = { ...inHelper, usedAt: { file: "/f.ts", line: 2, column: 1 } };
    const finding = (code: Finding["code"]): Finding => ({ code, path: "a", message: "is bad", place });
    const judged = silence([finding("LINT_E_GRACE"), finding("LINT_E_NO_HEALTH")], [file]);
    t.same(judged.findings, []);
    t.equal(judged.silenced.length, 2);
  },
);
