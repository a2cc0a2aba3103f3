import t from "tap";
import { baseErrors } from "./catalogue.ts";
import { DarumaError, defineErrors, exitCode, isDarumaError, messageOf, systemCode } from "./errors.ts";

const errors = defineErrors({
  TEST_E_BROKEN: { summary: "It broke.", remedy: "Mend it.", exit: exitCode.unhealthy },
});

t.test("an error has its code, the exit code and the remedy of its catalogue", async (t) => {
  const error = errors.make("TEST_E_BROKEN", "the lamp broke");
  t.match(error, {
    code: "TEST_E_BROKEN",
    hint: "Mend it.",
    exit: 3,
    message: "the lamp broke",
    problems: [],
  });
  t.equal(error.where, undefined);
});

t.test("a better hint, a place, problems and a cause are carried along", async (t) => {
  const cause = new Error("no current");
  const problems = [{ path: "lamp", message: "is dark" }];
  const error = errors.make("TEST_E_BROKEN", "the lamp broke", {
    hint: "Pay.",
    where: "/lamp",
    problems,
    cause,
  });
  t.match(error, { hint: "Pay.", where: "/lamp", problems });
  t.equal(error.cause, cause);
});

t.test("the document has only the fields that there are", async (t) => {
  t.strictSame(errors.make("TEST_E_BROKEN", "it broke").toDocument(), {
    schemaVersion: 1,
    error: { code: "TEST_E_BROKEN", message: "it broke", hint: "Mend it." },
  });
  const problems = [{ path: "lamp", message: "is dark" }];
  t.strictSame(errors.make("TEST_E_BROKEN", "it broke", { where: "/lamp", problems }).toDocument(), {
    schemaVersion: 1,
    error: { code: "TEST_E_BROKEN", message: "it broke", hint: "Mend it.", where: "/lamp", problems },
  });
});

t.test("a code that is not in the catalogue is a bug, not a user's error", async (t) => {
  try {
    errors.make("TEST_E_OTHER" as "TEST_E_BROKEN", "what?");
    t.fail("must throw");
  } catch (error) {
    t.notOk(isDarumaError(error));
  }
});

t.test("errors of another copy of the package are recognised, look-alikes are not", async (t) => {
  const foreign = Object.assign(new Error("x"), {
    name: "DarumaError",
    code: "TEST_E_BROKEN",
    hint: "Mend it.",
  });
  t.ok(isDarumaError(foreign));
  t.ok(isDarumaError(errors.make("TEST_E_BROKEN", "x")));
  t.notOk(isDarumaError(new Error("x")));
  t.notOk(isDarumaError({ name: "DarumaError", code: "A", hint: "b" }));
  t.notOk(isDarumaError(null));
});

t.test("systemCode and messageOf take anything that was thrown", async (t) => {
  t.equal(systemCode(Object.assign(new Error("x"), { code: "ENOENT" })), "ENOENT");
  t.equal(systemCode(Object.assign(new Error("x"), { code: 5 })), undefined);
  t.equal(systemCode(null), undefined);
  t.equal(systemCode("ENOENT"), undefined);
  t.equal(messageOf(new Error("x")), "x");
  t.equal(messageOf("y"), "y");
});

t.test(
  "every code of the base catalogue says its area, and has a summary and a remedy as sentences",
  async (t) => {
    for (const [code, entry] of Object.entries(baseErrors.catalogue)) {
      t.match(code, /^[A-Z]+_E_[A-Z_]+$/);
      t.match(entry.summary, /^[A-Z].*\.$/, code);
      t.match(entry.remedy, /^[A-Z].*\.$/, code);
      t.ok(baseErrors.make(code as keyof typeof baseErrors.catalogue, "x") instanceof DarumaError);
    }
  },
);
