import t from "tap";
import { initialState, type State } from "../policy/state.ts";
import { agentState, runAt } from "./fixtures/states.ts";
import { createListener } from "./listener.ts";

const plain = agentState({ phase: "healthy" }).policy;
const heartbeat = { through: "http", everyMs: 5_000, silenceMs: 15_000 } as const;

function stateWith(runId: string, policy = { ...plain, heartbeat }): State {
  const agent = agentState({ phase: "healthy", policy, run: runAt(runId, 1) });
  return { ...initialState({ epoch: "e", bootId: "b", seed: 1 }), surveyed: true, agents: { web: agent } };
}

function listening(state: State | null) {
  const world = { state, now: 1_000, told: [] as string[] };
  const heard = createListener({
    state: () => world.state,
    now: () => world.now,
    tell: (agent, runId) => world.told.push(`${agent} ${runId}`),
  });
  return { world, heard };
}

t.test("of words in quick succession one is told, and the first of each run", async (t) => {
  const { world, heard } = listening(stateWith("one"));
  for (const now of [1_000, 1_050, 1_099, 1_100, 1_150]) {
    world.now = now;
    heard("web");
  }
  t.same(world.told, ["web one", "web one"]);
  world.state = stateWith("two");
  heard("web");
  t.equal(world.told.at(-1), "web two");
});

t.test("nobody is told of an agent that need not speak, does not run, or is unknown", async (t) => {
  const { world, heard } = listening(null);
  heard("web");
  world.state = { ...stateWith("one"), surveyed: false };
  heard("web");
  world.state = stateWith("one", { ...plain, heartbeat: { ...heartbeat, through: "notify" } as never });
  heard("web");
  world.state = stateWith("one");
  heard("constructor");
  t.same(world.told, []);
});
