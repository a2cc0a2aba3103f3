import t from "tap";
import type { AgentPolicy, State } from "../policy/state.ts";
import { initialAgent, initialState } from "../policy/state.ts";
import { applyDelta, type Delta, type Durable, deltaBetween, encode, recoverDurable } from "./durable.ts";

const policy: AgentPolicy = {
  digest: "d1",
  startupMs: 1_000,
  health: null,
  heartbeat: null,
  restart: {
    when: "on-failure",
    backoff: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
    attempts: 3,
    withinMs: 60_000,
  },
  limits: { memoryBytes: null },
  stop: { signal: "SIGTERM", graceMs: 1_000 },
  escalate: ["rollback", "alert"],
  required: true,
};

const start = initialState({ epoch: "e", bootId: "b", seed: 1 });

function overTheDisk<T>(value: T): T {
  return JSON.parse(JSON.stringify(encode(value as unknown as Durable))) as T;
}

function walk(states: readonly State[]): Durable {
  const deltas: Delta[] = [];
  for (const [index, state] of states.entries()) {
    const before = states[index - 1] ?? start;
    deltas.push(overTheDisk(deltaBetween(before, state, { nextEntry: 1, added: [], acknowledged: 0 })));
  }
  const snapshot = overTheDisk({ state: start, nextEntry: 1, waiting: [] });
  return recoverDurable({ snapshot: encode(snapshot), deltas: deltas.map((delta) => encode(delta)) });
}

t.test("replaying the deltas gives the last state", async (t) => {
  const one: State = { ...start, turn: 1, agents: { a: initialAgent(policy), b: initialAgent(policy) } };
  const two: State = {
    ...one,
    turn: 2,
    provenSince: 5,
    agents: { ...one.agents, a: { ...initialAgent(policy), phase: "backoff", restartAt: 10 } },
  };
  const { b, ...rest } = two.agents;
  t.ok(b);
  const three: State = { ...two, turn: 3, agents: rest };
  t.same(walk([one, two, three]).state, three);
});

t.test("a delta holds only what changed", async (t) => {
  const one: State = { ...start, agents: { a: initialAgent(policy), b: initialAgent(policy) } };
  const two: State = {
    ...one,
    turn: 1,
    agents: { ...one.agents, b: { ...initialAgent(policy), held: true } },
  };
  const delta = deltaBetween(one, two, { nextEntry: 1, added: [], acknowledged: 0 });
  t.same(Object.keys(delta.agents), ["b"]);
  t.same(delta.state, { turn: 1 });
});

t.test("an acknowledged entry is dropped, an unacknowledged one is kept", async (t) => {
  const record = { action: "x", subject: "y", at: 0, severity: "info", details: {} } as const;
  const waiting = [1, 2, 3].map((n) => ({ n, record }));
  const durable = applyDelta(
    { state: start, nextEntry: 4, waiting },
    { state: {}, agents: {}, nextEntry: 5, added: [{ n: 4, record }], acknowledged: 2 },
  );
  t.same(
    durable.waiting.map((entry) => entry.n),
    [3, 4],
  );
  t.equal(durable.nextEntry, 5);
});

t.test("state of an unknown version is refused instead of being guessed at", async (t) => {
  const snapshot = { state: { ...start, schemaVersion: 2 }, nextEntry: 1, waiting: [] };
  t.throws(() => recoverDurable({ snapshot: encode(snapshot as unknown as Durable), deltas: [] }));
});

t.test("a journal of the last release, which knew of no stops, is read", async (t) => {
  const { stopped: _none, ...state } = { ...start, turn: 4, agents: { a: earlier(), b: earlier() } };
  const snapshot = overTheDisk({ state, nextEntry: 3, waiting: [] });
  const delta = {
    state: { turn: 5 },
    agents: { b: null, c: earlier() },
    nextEntry: 4,
    added: [],
    acknowledged: 2,
  };
  const recovered = recoverDurable({
    snapshot: encode(snapshot as unknown as Durable),
    deltas: [encode(overTheDisk(delta) as unknown as Delta)],
  });
  const now: State = { ...start, turn: 5, agents: { a: initialAgent(policy), c: initialAgent(policy) } };
  t.same(recovered, { state: now, nextEntry: 4, waiting: [] });
});

t.test(
  "one that knew of no rollback that waits for a boot, and counted no promotions, is read",
  async (t) => {
    const { awaitsBoot: _none, promotionFailures: _zero, ...state } = start;
    const snapshot = { state, nextEntry: 1, waiting: [] };
    const recovered = recoverDurable({ snapshot: encode(snapshot as unknown as Durable), deltas: [] });
    t.same(recovered.state, start);
  },
);

t.test("what a person has stopped is in the journal of this one", async (t) => {
  const a = initialAgent(policy, "person");
  const stopped: State = { ...start, turn: 1, stopped: ["a"], agents: { a } };
  t.same(walk([stopped]).state, stopped);
  const released: State = { ...stopped, turn: 2, stopped: [], agents: { a: { ...a, stoppedBy: "outside" } } };
  t.same(walk([stopped, released]).state, released);
});

/** An agent as the last release wrote it. */
function earlier(): object {
  const { stoppedBy: _unknown, ownRestarts: _neither, ...agent } = initialAgent(policy);
  return agent;
}
