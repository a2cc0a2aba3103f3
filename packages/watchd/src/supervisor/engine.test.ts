import t from "tap";
import type { Command } from "../policy/events.ts";
import { initialState, type State } from "../policy/state.ts";
import type { Clock, CurrentGeneration, Run } from "../ports.ts";
import type { Durable } from "./durable.ts";
import { applyDelta, type Delta } from "./durable.ts";
import { createEngine } from "./engine.ts";
import { Outbox } from "./outbox.ts";

const agent = {
  digest: "d1",
  command: ["/bin/true"],
  environment: {},
  workingDirectory: null,
  credentials: {},
  startupMs: 1_000,
  health: null,
  restart: {
    when: "on-failure",
    backoff: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
    attempts: 3,
    withinMs: 60_000,
  },
  limits: { memoryBytes: null },
  stop: { signal: "SIGTERM", graceMs: 1_000 },
  escalate: ["alert"],
  required: true,
  heartbeat: null,
  egress: null,
} as const;

const generation: CurrentGeneration = {
  number: 1,
  path: "/store/one",
  manifest: {
    schemaVersion: 1,
    host: "h",
    system: "x86_64-linux",
    hostDigest: "h1",
    watchdog: { probationMs: 60_000, rollbackBudget: 1 },
    agents: { a: agent },
    routines: {},
  },
};

/** An engine whose journal is written only when the test lets it. */
function engineWith(bootId = "b", beforeActing?: (state: State) => Promise<void>) {
  const log: string[] = [];
  const writes: {
    readonly delta: Delta;
    readonly done: () => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  const commands: Command[] = [];
  const fatal: unknown[] = [];
  const clock: Clock = { now: () => ({ mono: 1_000, wall: 1_000 }), bootId: "b" };
  const outbox = new Outbox({
    epoch: "e",
    connect: () => Promise.reject(new Error("no ledger in this test")),
    nextEntry: 1,
    waiting: [],
    wallNow: () => 1_000,
    log: () => {},
  });
  const engine = createEngine({
    state: initialState({ epoch: "e", bootId, seed: 1 }),
    clock,
    outbox,
    journal: {
      nearlyFull: false,
      snapshot: async () => {},
      append: (record) =>
        new Promise<void>((resolve, reject) => {
          log.push("write");
          writes.push({ delta: record as unknown as Delta, done: resolve, fail: reject });
        }),
    },
    execute: (command) => {
      log.push(command.type);
      commands.push(command);
    },
    onFatal: (error) => fatal.push(error),
    beforeActing,
  });
  return { engine, log, writes, commands, fatal, outbox };
}

async function nextWrite(world: ReturnType<typeof engineWith>, count: number) {
  while (world.writes.length < count) await new Promise((resolve) => setImmediate(resolve));
  const write = world.writes[count - 1];
  if (write === undefined) throw new Error("no write");
  return write;
}

function bring(world: ReturnType<typeof engineWith>): void {
  world.engine.dispatch({ type: "boot", bootId: "b" });
  world.engine.dispatch({ type: "generation", current: generation, knownGood: [] });
  world.engine.dispatch({ type: "runs", runs: [], stopped: [], takenAt: 1_000 });
}

t.test("no command is carried out and no entry is sent before the journal has its intent", async (t) => {
  const world = engineWith();
  bring(world);
  const write = await nextWrite(world, 1);
  t.same(world.commands, [], "nothing happens while the write is under way");
  t.same(world.outbox.waiting, []);
  write.done();
  await world.engine.until((state) => state.agents.a?.phase === "starting");
  t.match(world.commands, [{ type: "start", agent: "a", digest: "d1" }]);
  t.ok(world.outbox.waiting.some((entry) => entry.record.action === "agent.start"));
  world.engine.close();
});

t.test("what gathers during a write is judged together and costs one write more", async (t) => {
  const world = engineWith();
  bring(world);
  (await nextWrite(world, 1)).done();
  const state = await world.engine.until((current) => current.agents.a?.phase === "starting");
  const runId = state.agents.a?.startingRun?.runId ?? "";
  const run: Run = { agent: "a", runId, digest: "d1", pid: 7, startedAt: 1_000 };
  world.engine.dispatch({ type: "operator-allow", path: "/store/x" });
  const second = await nextWrite(world, 2);
  world.engine.dispatch({ type: "started", run });
  world.engine.dispatch({ type: "exited", agent: "a", runId, cause: { kind: "exit", code: 1 }, at: 0 });
  second.done();
  (await nextWrite(world, 3)).done();
  const after = await world.engine.until((current) => current.agents.a?.phase === "backoff");
  t.equal(world.writes.length, 3);
  t.same(after.agents.a?.failures.length, 1);
  world.engine.close();
});

t.test("who waits for a state is given that one, even if the next is judged at once", async (t) => {
  const world = engineWith();
  bring(world);
  const write = await nextWrite(world, 1);
  const waited = world.engine.until((state) => state.agents.a?.phase === "starting");
  const runId = world.engine.state.agents.a?.startingRun?.runId ?? "";
  world.engine.dispatch({
    type: "started",
    run: { agent: "a", runId, digest: "d1", pid: 7, startedAt: 1_000 },
  });
  write.done();
  t.equal((await waited).agents.a?.phase, "starting");
  t.not(world.engine.state.agents.a?.phase, "starting");
  world.engine.close();
});

t.test("the journal's records alone give the state back", async (t) => {
  const world = engineWith();
  bring(world);
  (await nextWrite(world, 1)).done();
  const state = await world.engine.until((current) => current.agents.a?.phase === "starting");
  const first: State = initialState({ epoch: "e", bootId: "b", seed: 1 });
  const start: Durable = { state: first, nextEntry: 1, waiting: [] };
  const replayed = world.writes.reduce((durable, write) => applyDelta(durable, write.delta), start);
  t.same(replayed.state, state);
  t.equal(replayed.waiting.length, replayed.nextEntry - 1);
  world.engine.close();
});

t.test("a journal that cannot be written ends this watchd before anything is done", async (t) => {
  const world = engineWith();
  bring(world);
  (await nextWrite(world, 1)).fail(new Error("disk on fire"));
  while (world.fatal.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.same(world.commands, []);
  world.engine.dispatch({ type: "tick" });
  t.equal(world.writes.length, 1, "and it takes no more events");
});

t.test("what has to be there before anything is done is written after the journal", async (t) => {
  const gate = Promise.withResolvers<void>();
  const seen: State[] = [];
  const world = engineWith("b", (state) => {
    seen.push(state);
    return gate.promise;
  });
  bring(world);
  const write = await nextWrite(world, 1);
  t.same(seen, [], "it is about what is durable");
  write.done();
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.same(world.commands, []);
  t.same(world.outbox.waiting, []);
  gate.resolve();
  await world.engine.until((state) => state.agents.a?.phase === "starting");
  t.match(world.commands, [{ type: "start", agent: "a" }]);
  t.equal(seen[0], world.engine.state);
  world.engine.close();
});

t.test("what changed in a round that needed no write is in the next write", async (t) => {
  const world = engineWith("an older boot");
  world.engine.dispatch({ type: "boot", bootId: "b" });
  await world.engine.until(({ bootId }) => bootId === "b");
  t.equal(world.writes.length, 0, "booting alone asks for nothing and says nothing");
  world.engine.note({ action: "watchd.start", subject: "watchd", at: 1_000, severity: "info", details: {} });
  const write = await nextWrite(world, 1);
  t.equal(write.delta.state.bootId, "b");
  write.done();
  world.engine.close();
});
