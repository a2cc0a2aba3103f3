import type { DriftPolicy } from "@daruma/config";
import t, { type Test } from "tap";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Difference } from "./difference.ts";
import { initialDrift } from "./judge.ts";
import type { Machine } from "./machine.ts";
import { openDrift } from "./watch.ts";

const link: Difference = {
  kind: "etc",
  at: "/etc/x",
  declared: ["link"],
  observed: [],
  remedy: { kind: "switch", setAside: null },
};

/** A machine in memory, under a policy, and what the ledger is told. */
async function lab(t: Test, policy: DriftPolicy["policy"]) {
  const drift: DriftPolicy = {
    policy,
    everyMs: 50,
    storeEveryMs: 1,
    attempts: 1,
    withinMs: 60_000,
    ignore: ["/etc/mine"],
  };
  const world = { present: [] as Difference[], switching: false, corrections: 0, cures: true };
  const told: string[] = [];
  const waiting: { action: string; resolve: () => void }[] = [];
  const supervisor = {
    current: { number: 1, path: "/g1", manifest: { drift } },
    state: { rollback: null, draining: false },
    runs: new Map(),
    note: async ({ action }: { action: string }) => {
      told.push(action);
      for (const each of waiting) if (each.action === action) each.resolve();
    },
  } as unknown as Supervisor;
  const machine: Machine = {
    look: async () => ({ differences: world.present, unseen: new Map(), notes: [], directories: [] }),
    onHint: () => undefined,
    async correct() {
      world.corrections += 1;
      if (world.cures) world.present = [];
      return [];
    },
    store: async () => ({ paths: 0, bytes: 0, verified: 0, roundBeganAt: 0, lastRoundEndedAt: null }),
    close: async () => undefined,
  };
  const watch = await openDrift({
    supervisor,
    generations: { switching: async () => world.switching, onSwitch: () => undefined },
    machine,
    memory: { load: async () => initialDrift, save: async () => undefined },
    clock: { bootId: "b", now: () => ({ mono: performance.now(), wall: Date.now() }) },
    log: (message) => t.fail(message),
  });
  // Its own timers keep no process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(async () => {
    clearInterval(alive);
    await watch.close();
  });
  const until = (action: string) =>
    told.includes(action)
      ? Promise.resolve()
      : new Promise<void>((resolve) => {
          waiting.push({ action, resolve });
        });
  return { world, told, watch, until };
}

t.test("it looks by the clock, and puts right what the policy lets it, once it is certain", async (t) => {
  const { world, told, watch, until } = await lab(t, "correct");
  world.present = [link];
  watch.hint();
  await until("drift.corrected");
  t.same(told, ["drift.found", "drift.correct", "drift.corrected"]);
  t.equal(world.corrections, 1);
});

t.test("under the policy to report nothing is touched, until a person asks for it", async (t) => {
  const { world, told, watch } = await lab(t, "report");
  const own = "/etc/mine/own";
  world.present = [link, { ...link, at: own, remedy: { kind: "remove", path: own, units: [] } }];
  const before = await watch.report();
  t.match(before.differences, [{ at: "/etc/x", diff: ["- link"], correctable: true, held: false }]);
  t.equal(before.differences.length, 1, "what a person has declared as theirs is left out");
  t.equal(world.corrections, 0);
  t.same((await watch.fix()).differences, []);
  t.equal(world.corrections, 1);
  t.same(told, ["drift.found", "drift.correct", "drift.corrected"]);
});

t.test("a person may have put right what is held, and nothing is done in mid-switch", async (t) => {
  const { world, watch, until } = await lab(t, "correct");
  world.cures = false;
  world.present = [link];
  watch.hint();
  await until("drift.hold");
  t.equal(world.corrections, 1, "no loop");
  world.switching = true;
  await t.rejects(watch.fix(), { code: "WATCHD_E_DRIFT_BUSY" });
  t.equal(world.corrections, 1);
  world.switching = false;
  world.cures = true;
  t.same((await watch.fix()).differences, []);
  t.equal(world.corrections, 2);
});
