import t from "tap";
import type { Event } from "../policy/events.ts";
import { policyOf } from "../policy/stand-in.ts";
import { initialAgent, initialState, type State } from "../policy/state.ts";
import type { Usage } from "../ports.ts";
import { manifestOf } from "../processes/fixtures/lab.ts";
import { createDependencyProbes } from "./dependency-probes.ts";
import { createSampling } from "./sampling.ts";

const usage: Usage = { memoryBytes: 1, cpuMs: 2, openFiles: 3, tasks: 4, ioBytes: null };
const resources = {
  ...{ memoryBytes: 1, leak: null, cpu: null, openFiles: null, tasks: null, ioBytesPerSecond: null },
  ...{ latencyMs: null, sustainedMs: 8_000, restartWithinMs: 0 },
};

function world(agents: Readonly<Record<string, Parameters<typeof policyOf>[0]>>) {
  const events: Event[] = [];
  const running = (name: string) => ({
    runId: `run-${name}`,
    digest: "d",
    started: { mono: 0, wall: 0 },
    knownAt: 0,
    served: null,
  });
  const state: State = {
    ...initialState({ epoch: "e", bootId: "b", seed: 1 }),
    agents: Object.fromEntries(
      Object.entries(agents).map(([name, manifest]) => [
        name,
        { ...initialAgent(policyOf(manifest)), phase: "healthy", run: running(name) },
      ]),
    ),
  };
  const engine = { state, dispatch: (event: Event) => events.push(event) };
  return { engine, events, clock: { mono: 1_000 } };
}

t.test("each run is measured as often as what is declared of it needs, and all together", async (t) => {
  const plain = manifestOf(["/bin/true"]);
  const { engine, events, clock } = world({
    plain,
    limited: { ...plain, limits: { memoryBytes: 1 } },
    bounded: { ...plain, resources },
  });
  const asked: string[][] = [];
  const services = {
    usage: async (runIds: readonly string[]) => {
      asked.push([...runIds]);
      return new Map(runIds.map((runId) => [runId, usage] as const));
    },
  };
  const sampling = createSampling(services, engine, () => clock.mono);
  for (let tick = 0; tick < 13; tick += 1) {
    await sampling.measure();
    clock.mono += 250;
  }
  const times = (run: string) => asked.filter((runIds) => runIds.includes(run)).length;
  t.same([times("run-plain"), times("run-limited"), times("run-bounded")], [1, 4, 3]);
  t.match(events[0], { type: "usage", at: 1_000, runs: [{ agent: "plain", usage }, {}, {}] });
});

t.test(
  "what several agents need is asked once, and at once again where a failure waits for it",
  async (t) => {
    const needy = { ...manifestOf(["/bin/true"]), dependencies: { db: "tcp://db:1" } };
    const { engine, events, clock } = world({ a: needy, b: needy });
    const asked: string[] = [];
    const probes = createDependencyProbes({
      engine,
      monoNow: () => clock.mono,
      reach: async (url) => {
        asked.push(url);
        return "refused";
      },
    });
    await probes.ask();
    t.same(asked, ["tcp://db:1"]);
    const found = ["a", "b"].map((agent) => ({ agent, dependency: "db", problem: "refused" }));
    t.same(events, [{ type: "dependencies", at: 1_000, found }]);
    clock.mono += 600;
    await probes.ask();
    t.equal(asked.length, 1, "not due yet");
    const { a } = engine.state.agents;
    if (a === undefined) throw new Error("there is an a");
    engine.state = { ...engine.state, agents: { ...engine.state.agents, a: { ...a, evidence: [1_500] } } };
    await probes.ask();
    t.equal(asked.length, 2);
  },
);
