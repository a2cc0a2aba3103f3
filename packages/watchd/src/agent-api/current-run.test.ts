import t from "tap";
import { initialAgent, initialState, type State } from "../policy/state.ts";
import { currentRun, selfOf } from "./current-run.ts";
import { agentState, generationAt, runAt } from "./fixtures/states.ts";

const empty = initialState({ epoch: "e", bootId: "b", seed: 1 });
const state = (change: Partial<State>): State => ({ ...empty, surveyed: true, ...change });

t.test("the run is the one that is alive, with the generation that it began in", async (t) => {
  const agents = { web: agentState({ phase: "healthy", run: runAt("r1", 2_000) }) };
  const began = state({ generation: generationAt(7, 1_000), agents });
  t.same(currentRun(began, "web"), { runId: "r1", generation: 7 });
  t.same(selfOf(began, "web"), {
    schemaVersion: 1,
    name: "web",
    generation: 7,
    run: "r1",
    state: "healthy",
  });
  const later = state({ generation: generationAt(8, 3_000), agents });
  t.same(currentRun(later, "web"), { runId: "r1", generation: null }, "it began before the switch");
});

t.test("a run that is being started is one already", async (t) => {
  const startingRun = { runId: "r2", digest: "d", askedAt: 2_000 };
  const agents = { web: agentState({ phase: "starting", startingRun }) };
  t.same(currentRun(state({ generation: generationAt(7, 1_000), agents }), "web"), {
    runId: "r2",
    generation: 7,
  });
});

t.test("nothing is said of a run that is not known to be alive", async (t) => {
  const agents = { web: agentState({ run: runAt("r1", 0) }), down: initialAgent(agentState({}).policy) };
  t.equal(currentRun(state({ agents, surveyed: false }), "web"), null, "of an earlier watchd's journal");
  t.equal(currentRun(state({ agents }), "down"), null);
  t.equal(currentRun(state({ agents }), "constructor"), null);
});
