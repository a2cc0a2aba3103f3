import { setImmediate as nextTurn } from "node:timers/promises";
import t, { type Test } from "tap";
import { watchdErrors } from "../catalogue.ts";
import { initialState } from "../policy/state.ts";
import { startBackground } from "./background.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

/** Nothing but hints: the timers are far slower than a test. */
function backgroundOf(t: Test) {
  const log: string[] = [];
  const did = { refreshed: 0, surveyed: 0, reconciled: 0 };
  const hints: { switched: () => void; found: () => void } = { switched: () => {}, found: () => {} };
  const world = { survey: async (): Promise<void> => undefined, judges: true };
  const first = initialState({ epoch: "e", bootId: "b", seed: 1 });
  const engine = {
    state: first,
    told: [] as string[],
    /** A core that gets on. */
    dispatch: (event: { readonly type: string }) => {
      engine.told.push(event.type);
      if (world.judges) engine.state = { ...engine.state, turn: engine.state.turn + 1 };
    },
    until: async (condition: (state: typeof first) => boolean) => {
      await until(() => condition(engine.state));
      return engine.state;
    },
  };
  const background = startBackground({
    world: {
      generations: {
        onSwitch: (listener: () => void) => {
          hints.switched = listener;
        },
      },
      services: {
        onFound: (listener: () => void) => {
          hints.found = listener;
        },
      },
    } as never,
    engine: engine as never,
    clock: { bootId: "boot-1", now: () => ({ mono: 0, wall: 0 }) },
    refresh: async () => {
      did.refreshed += 1;
    },
    survey: () => {
      did.surveyed += 1;
      return world.survey();
    },
    onReconciled: () => {
      did.reconciled += 1;
    },
    log: (message) => log.push(message),
  });
  t.teardown(() => background.stop());
  return { did, hints, log, world, engine };
}

t.test("a run that was found is a reason to look at all of them", async (t) => {
  const { did, hints } = backgroundOf(t);
  hints.found();
  await until(() => did.reconciled === 1);
  t.same(did, { refreshed: 0, surveyed: 1, reconciled: 1 });
});

t.test("a switch is a reason to ask what is current, and to look", async (t) => {
  const { did, hints } = backgroundOf(t);
  hints.switched();
  await until(() => did.reconciled === 1);
  t.same(did, { refreshed: 1, surveyed: 1, reconciled: 1 });
});

t.test("hints during a look lead to one more look, not to several at once", async (t) => {
  const { did, hints, world } = backgroundOf(t);
  const first = Promise.withResolvers<void>();
  let atOnce = 0;
  world.survey = async () => {
    atOnce += 1;
    if (atOnce > 1) throw new Error("two at once");
    if (did.surveyed === 1) await first.promise;
    atOnce -= 1;
  };
  hints.found();
  for (let time = 0; time < 5; time += 1) hints.found();
  hints.switched();
  t.equal(did.surveyed, 1);
  first.resolve();
  await until(() => did.reconciled === 2);
  for (let time = 0; time < 10; time += 1) await nextTurn();
  t.equal(did.surveyed, 2);
});

t.test("a look that found something while it looked is followed by another", async (t) => {
  const { did, hints, world } = backgroundOf(t);
  world.survey = async () => {
    if (did.surveyed === 1) hints.found();
  };
  hints.found();
  await until(() => did.reconciled === 2);
  t.equal(did.surveyed, 2);
});

t.test("a look that failed is no proof of work, is logged, and does not stand in the way", async (t) => {
  const { did, hints, log, world } = backgroundOf(t);
  world.survey = async () => {
    throw new Error("systemd does not answer");
  };
  hints.found();
  await until(() => log.length === 1);
  t.match(log, ["the survey failed: systemd does not answer"]);
  t.equal(did.reconciled, 0);
  world.survey = async () => undefined;
  await nextTurn();
  hints.found();
  await until(() => did.reconciled === 1);
});

t.test("that systemd does not answer in time is no fault of watchd, whose core gets on", async (t) => {
  const { did, hints, log, world, engine } = backgroundOf(t);
  world.survey = async () => {
    throw watchdErrors.make("WATCHD_E_NO_ANSWER", "systemctl did not end within 10000 ms");
  };
  hints.found();
  await until(() => log.length === 1);
  t.match(log, ["the survey failed: systemctl did not end within 10000 ms"]);
  t.equal(did.reconciled, 1);
  t.same(engine.told, ["runs-unseen"]);
  world.judges = false;
  hints.found();
  await until(() => did.surveyed === 2);
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  t.equal(did.reconciled, 1, "a core that does not get on is");
  world.judges = true;
  engine.dispatch({ type: "tick" });
  await until(() => did.reconciled === 2);
});

t.test("what was seen and is not judged is no proof of anything", async (t) => {
  const { did, hints, world, engine } = backgroundOf(t);
  world.judges = false;
  hints.found();
  await until(() => did.surveyed === 1);
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  t.equal(did.reconciled, 0);
  world.judges = true;
  engine.dispatch({ type: "tick" });
  await until(() => did.reconciled === 1);
});
