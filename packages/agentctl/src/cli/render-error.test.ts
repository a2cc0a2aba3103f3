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
