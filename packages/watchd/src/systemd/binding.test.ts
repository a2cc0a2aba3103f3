import fc from "fast-check";
import t from "tap";
import { type Binding, bind, type Sight, see } from "./binding.ts";
import { around, running, waiting } from "./fixtures/facts.ts";

const bound = bind("run-1", running, around);
const gone = { ...waiting, invocation: "", activeState: "inactive", subState: "dead", execMainCode: 0 };
const trace = (invocation: string) => ({ result: "exit-code", code: "exited", status: "3", invocation });
const sight = (change: Partial<Sight>): Sight => ({
  facts: running,
  exit: null,
  asked: null,
  inSwitch: false,
  ...change,
});

t.test("a binding says which run it is, since when, and of which definition", async (t) => {
  t.same(bound, {
    runId: "run-1",
    invocation: "i1",
    digest: "d1",
    pid: 7,
    startedAt: around.wall - 5_000,
  });
  t.equal(bind("run-1", waiting, around).pid, 7, "the last main process, where there is none any more");
  const future = { ...running, startedMonotonicUs: 60_000_000 };
  t.equal(bind("run-1", future, around).startedAt, around.wall, "never in the future");
});

t.test("a process knows best which definition it was started with", async (t) => {
  const knows = { ...around, digestOf: (pid: number) => (pid === running.mainPid ? "older" : null) };
  t.equal(bind("run-1", running, knows).digest, "older");
  t.equal(bind("run-1", waiting, knows).digest, "d1", "where there is none, what systemd has loaded counts");
});

t.test("what a look means for the run that is bound", async (t) => {
  const exited = { kind: "exit", code: 3 };
  const next = { ...running, invocation: "i2", mainPid: 8 };
  const stranger = bind("inv-i2", next, around);
  const table: readonly [string, Binding | null, Sight, object][] = [
    ["it is alive", bound, sight({}), { binding: bound, ended: null, found: false }],
    [
      "it has failed, and systemd tells how",
      bound,
      sight({ facts: waiting }),
      { binding: null, ended: { runId: "run-1", cause: exited }, found: false },
    ],
    [
      "its trace tells that it has ended, before systemd does",
      bound,
      sight({ exit: trace("i1") }),
      { binding: null, ended: { runId: "run-1", cause: exited }, found: false },
    ],
    [
      "its trace tells it, and systemd was not asked",
      bound,
      sight({ facts: null, exit: trace("i1") }),
      { binding: null, ended: { runId: "run-1", cause: exited }, found: false },
    ],
    [
      "it was asked to stop and is still there",
      bound,
      sight({ asked: "i1" }),
      { binding: bound, ended: null, found: false },
    ],
    [
      "it was stopped",
      bound,
      sight({ facts: gone, exit: trace("i1"), asked: "i1" }),
      { binding: null, ended: { runId: "run-1", cause: { kind: "stopped", inSwitch: false } }, found: false },
    ],
    [
      "systemd has forgotten the unit",
      bound,
      sight({ facts: null }),
      { binding: null, ended: { runId: "run-1", cause: { kind: "unknown" } }, found: false },
    ],
    [
      "systemd has started another run meanwhile",
      bound,
      sight({ facts: next }),
      { binding: stranger, ended: { runId: "run-1", cause: { kind: "unknown" } }, found: true },
    ],
    [
      "systemd has started another run meanwhile, and the trace of the first is there",
      bound,
      sight({ facts: next, exit: trace("i1") }),
      { binding: stranger, ended: { runId: "run-1", cause: exited }, found: true },
    ],
    [
      "an old trace says nothing about it",
      bound,
      sight({ exit: trace("i0"), asked: "i0" }),
      { binding: bound, ended: null, found: false },
    ],
    ["nothing was there and nothing is", null, sight({ facts: gone }), { binding: null, ended: null }],
    ["somebody else has started one", null, sight({ facts: next }), { binding: stranger, found: true }],
    [
      "somebody else has started one that has ended",
      null,
      sight({ facts: next, exit: trace("i2") }),
      { binding: null, ended: null, found: false },
    ],
  ];
  for (const [what, before, seen, expected] of table) t.match(see(before, seen, around), expected, what);
});

/** A unit lives through invocations one after the other; a look may come late, but never after a newer one. */
const sights = fc
  .array(fc.record({ starts: fc.boolean(), ends: fc.boolean(), traces: fc.boolean(), asked: fc.boolean() }))
  .map((steps) => {
    let at = 1;
    let ended = false;
    let traced = 0;
    let asked = 0;
    return steps.map((step): Sight => {
      if (ended && step.starts) {
        at += 1;
        ended = false;
      }
      ended ||= step.ends;
      if (ended && step.traces) traced = at;
      if (step.asked) asked = at;
      const facts = { ...(ended ? waiting : running), invocation: `i${at}` };
      return {
        facts: traced === at ? null : facts,
        exit: trace(`i${traced}`),
        asked: `i${asked}`,
        inSwitch: false,
      };
    });
  });

t.test("whatever is seen, each run is found once and told ended once", async () => {
  fc.assert(
    fc.property(sights, (seen) => {
      let binding: Binding | null = null;
      const found: string[] = [];
      const ended: string[] = [];
      for (const each of seen) {
        const result = see(binding, each, around);
        binding = result.binding;
        if (result.ended !== null) ended.push(result.ended.runId);
        if (result.found) found.push(binding?.runId ?? "none");
      }
      const over = binding === null ? found : found.slice(0, -1);
      return new Set(found).size === found.length && over.join() === ended.join();
    }),
  );
});

t.test("a binding never changes while its invocation is alive", async () => {
  fc.assert(
    fc.property(sights, (seen) => {
      let binding: Binding | null = bound;
      return seen.every((each) => {
        const before = binding;
        binding = see(before, each, around).binding;
        return binding?.invocation !== before?.invocation || binding === before;
      });
    }),
  );
});
