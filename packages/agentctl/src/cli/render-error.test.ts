import { DarumaError } from "@daruma/base";
import t from "tap";
import { describeFailure, printable, renderError } from "./render-error.ts";

const plain = (_: unknown, text: string) => text;
const entry = { summary: "", remedy: "Try again.", exit: 3 } as const;

t.test(
  "a user's mistake is told with code, place, every problem and what to do, without a stack",
  async (t) => {
    const error = new DarumaError("TEST_E_BAD", entry, "the fleet has 2 problems", {
      where: "fleet.config.ts",
      problems: [
        { path: "hosts.a", message: "is required" },
        { path: "hosts.b.agents.c", message: "is not an option" },
      ],
    });
    const failure = describeFailure(error, plain);
    t.equal(
      failure.text,
      `error TEST_E_BAD: the fleet has 2 problems
  at fleet.config.ts
  - hosts.a: is required
  - hosts.b.agents.c: is not an option
hint: Try again.`,
    );
    t.equal(failure.exit, 3);
    t.same(failure.document, error.toDocument());
  },
);

t.test("what the message says already is not repeated", async (t) => {
  const problems = [{ path: "hosts.a", message: "is required" }];
  const told = new DarumaError("TEST_E_BAD", entry, "hosts.a: is required", { problems });
  t.equal(renderError(told, plain).split("\n").length, 2);
  const error = new DarumaError("TEST_E_BAD", entry, "cannot read /x/y", { where: "/x/y" });
  t.notMatch(renderError(error, plain), "  at ");
  const place = { file: "a.ts", line: 1, column: 2, endLine: 1, endColumn: 3 };
  const failed = [{ path: "a.ts", message: "does not parse", place }];
  const whole = new DarumaError("TEST_E_BAD", entry, "does not parse", {
    where: "a.ts:1:2",
    problems: failed,
  });
  t.equal(renderError(whole, plain), "error TEST_E_BAD: does not parse\n\na.ts:1:2\n\nhint: Try again.");
});

t.test("a bug of ours keeps its stack and is called one", async (t) => {
  for (const thrown of [new TypeError("undefined is not a function"), "a text", undefined]) {
    const failure = describeFailure(thrown, plain);
    t.equal(failure.document.error.code, "CLI_E_BUG");
    t.equal(failure.exit, 1);
  }
  t.match(describeFailure(new TypeError("boom"), plain).text, "render-error.test.ts");
});

t.test("what a message quotes cannot steer the terminal", async (t) => {
  t.equal(printable("a\u001b[31mred\u0007"), "a\\u001b[31mred\\u0007");
  t.equal(printable("right\u202eleft"), "right\\u202eleft");
  t.equal(printable("two\nlines\tand a tab, 日本"), "two\n    lines\tand a tab, 日本");
});

t.test("a problem with a place is told with its lines, a mark, and where it is used", async (t) => {
  const place = {
    file: "web.ts",
    line: 10,
    column: 4,
    endLine: 10,
    endColumn: 7,
    excerpt: { firstLine: 9, lines: ["{", "\ta: one,", "}"] },
    note: "a note",
    usedAt: { file: "fleet.config.ts", line: 1, column: 2 },
  };
  const problems = [{ path: "a", message: "is bad", code: "TEST_E_VALUE", place }];
  const error = new DarumaError("TEST_E_BAD", entry, "a problem", { where: "fleet.config.ts", problems });
  t.equal(
    renderError(error, plain),
    `error TEST_E_BAD: a problem
  at fleet.config.ts

web.ts:10:4 TEST_E_VALUE
  a: is bad
     9 | {
  > 10 | \ta: one,
       | \t  ^^^
    11 | }
  note: a note
  used at fleet.config.ts:1:2

hint: Try again.`,
  );
  const long = { ...place, endLine: 12, endColumn: 1, column: 2 };
  const several = new DarumaError("TEST_E_BAD", entry, "a problem", {
    problems: [{ path: "a", message: "is bad", place: long }],
  });
  t.match(renderError(several, plain), "       | \t^^^^^^^\n");
});

t.test("what one line makes wrong many times is told once", async (t) => {
  const place = { file: "f.ts", line: 1, column: 1, endLine: 1, endColumn: 2 };
  const problems = ["a", "b", "c"].map((path) => ({ path, message: "is bad", place }));
  const other = { path: "d", message: "is worse", place };
  const error = new DarumaError("TEST_E_BAD", entry, "bad", { problems: [...problems, other] });
  const text = renderError(error, plain);
  t.match(text, "  a: is bad (and 2 more like it from here)\n");
  t.match(text, "  d: is worse\n");
  t.notMatch(text, "b: is bad");
});
