import { EventEmitter } from "node:events";
import { isDarumaError } from "@daruma/base";
import t from "tap";
import { readerLeft, watchSignals, whenAborted } from "./interrupts.ts";

function setUp() {
  const source = new EventEmitter();
  const clock = { now: 0 };
  const interrupts = watchSignals(source, () => clock.now);
  return { source, clock, interrupts };
}

t.test("the first signal interrupts with an error of its own, the second is in a hurry", async (t) => {
  const cases = [
    ["SIGINT", "CLI_E_INTERRUPTED", 130],
    ["SIGTERM", "CLI_E_TERMINATED", 143],
    ["SIGHUP", "CLI_E_TERMINATED", 143],
  ] as const;
  for (const [signal, code, exit] of cases) {
    const { source, clock, interrupts } = setUp();
    source.emit(signal);
    const { reason } = interrupts.interrupt;
    t.ok(isDarumaError(reason) && reason.code === code && reason.exit === exit, signal);
    t.equal(interrupts.hurry.aborted, false);
    clock.now = 1_000;
    source.emit("SIGINT");
    t.equal(interrupts.hurry.aborted, true);
    t.equal(interrupts.interrupt.reason, reason, "the first reason stays");
  }
});

t.test("one Ctrl-C that arrives twice is one", async (t) => {
  const { source, clock, interrupts } = setUp();
  source.emit("SIGINT");
  clock.now = 200;
  source.emit("SIGINT");
  t.equal(interrupts.hurry.aborted, false);
  clock.now = 300;
  source.emit("SIGINT");
  t.equal(interrupts.hurry.aborted, true, "also where somebody keeps pressing");
});

t.test("a reader that went away interrupts without an error", async (t) => {
  const { interrupts } = setUp();
  interrupts.readerLeft();
  t.equal(interrupts.interrupt.reason, readerLeft);
  await t.rejects(
    whenAborted(interrupts.interrupt).catch((reason) => Promise.reject(new Error(String(reason)))),
  );
});
