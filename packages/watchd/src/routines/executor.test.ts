import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { watchdErrors } from "../catalogue.ts";
import { stepRoutines } from "./core.ts";
import type { RoutineEvent } from "./events.ts";
import { createRoutineExecutor } from "./executor.ts";
import { plainRoutine } from "./fixtures/plain.ts";
import { policyOf } from "./manifest.ts";
import type { RoutineServices } from "./services.ts";
import { initialRoutines } from "./state.ts";

t.test("of many starts at once, want of descriptors fails none", async (t) => {
  const stateDir = mkdtempSync(join(tmpdir(), "daruma-executor-"));
  t.teardown(() => rmSync(stateDir, { recursive: true, force: true }));
  const names = Array.from({ length: 10 }, (_, index) => `r${index}`);
  const policies = Object.fromEntries(
    names.map((name) => [name, policyOf({ ...plainRoutine, atBoot: true }, null)]),
  );
  const { state, commands } = stepRoutines(
    initialRoutines("e"),
    [
      { type: "boot", bootId: "b" },
      { type: "routines", policies },
      { type: "runs", runs: [], takenAt: 1_000 },
    ],
    { mono: 1_000, wall: 1_000 },
  );
  t.equal(commands.length, names.length);
  let started = 0;
  const refused = new Set<string>();
  const services = {
    settled: async () => undefined,
    start: async ({ routine }) => {
      if (routine === "r7" && !refused.has(routine)) {
        refused.add(routine);
        const cause = Object.assign(new Error("too many open files"), { code: "EMFILE" });
        throw watchdErrors.make("AGENT_E_START_FAILED", "its log cannot be opened", { cause });
      }
      if (routine === "r8") throw watchdErrors.make("AGENT_E_START_FAILED", "it is broken");
      started += 1;
    },
  } satisfies Partial<RoutineServices>;
  const events: RoutineEvent[] = [];
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const executor = createRoutineExecutor({
    services: services as unknown as RoutineServices,
    sockets: { open: async ({ run }) => `${run}.sock` },
    stateDir,
    isolation: "one",
    routines: () => Object.fromEntries(names.map((name) => [name, plainRoutine])),
    state: () => state,
    dispatch: (event) => {
      events.push(event);
      if (events.length === names.length) resolve();
    },
    survey: async () => undefined,
  });
  for (const command of commands) executor.execute(command);
  await all;
  t.same([...refused], ["r7"]);
  t.equal(started, names.length - 1);
  t.match(
    events.filter(({ type }) => type === "start-failed"),
    [{ routine: "r8", code: "AGENT_E_START_FAILED" }],
    "a fault of its own is told at once",
  );
  t.match(events.at(-1), { type: "started", routine: "r7" });
});
