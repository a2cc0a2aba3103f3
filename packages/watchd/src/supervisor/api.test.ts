import t from "tap";
import type { AgentPolicy } from "../policy/state.ts";
import { initialAgent, initialState } from "../policy/state.ts";
import { apiRoutes } from "./api.ts";
import type { Supervisor } from "./supervisor.ts";

/** A supervisor that writes down what is asked of it, in order. */
function apiWith({
  survey = async () => undefined,
  isAway = false,
}: {
  readonly survey?: () => Promise<void>;
  readonly isAway?: boolean;
} = {}) {
  const log: string[] = [];
  const state = {
    ...initialState({ epoch: "e", bootId: "b", seed: 1 }),
    agents: { a: initialAgent({ digest: "d1" } as AgentPolicy) },
  };
  const supervisor: Partial<Supervisor> = {
    state,
    note: async ({ action }) => void log.push(action),
    dispatch: (event) => void log.push(event.type),
    survey: async () => {
      await survey();
      log.push("survey");
    },
  };
  const routes = apiRoutes({
    supervisor: supervisor as Supervisor,
    generations: {} as never,
    services: {
      setStopped: async (agent, stopped) => void log.push(`${agent} ${stopped ? "stopped" : "released"}`),
    },
    clock: { now: () => ({ mono: 0, wall: 0 }), bootId: "b" },
    recordIntent: async ({ action }) => {
      if (isAway) throw new Error("nobody listens");
      log.push(action);
    },
    unitOf: (agent) => `unit-of-${agent}`,
    routines: { follow: async () => undefined, drain: async () => undefined },
    onAllow: async () => undefined,
  });
  const call = (route: string) => routes[route]?.({ body: { agent: "a" } } as never);
  return { call, log };
}

t.test("a stop is recorded, then durable, then seen", async (t) => {
  const { call, log } = apiWith();
  t.same(await call("POST /v1/agents/stop"), { schemaVersion: 1, agent: "a", stopped: true });
  t.same(log, ["agent.stop-request", "a stopped", "survey"]);
});

t.test("a start is told to the core after every look that may still have seen it stopped", async (t) => {
  const { call, log } = apiWith();
  t.same(await call("POST /v1/agents/start"), { schemaVersion: 1, agent: "a", stopped: false });
  t.same(log, ["agent.start-request", "a released", "survey", "operator-start"]);
});

t.test("a word that is durable is not refused because nothing can be looked at now", async (t) => {
  const { call, log } = apiWith({
    survey: () => Promise.reject(new Error("systemd does not answer")),
  });
  t.match(await call("POST /v1/agents/stop"), { stopped: true });
  t.match(await call("POST /v1/agents/start"), { stopped: false });
  t.same(log.slice(-3), ["agent.start-request", "a released", "operator-start"]);
});

t.test(
  "without the ledger a stop is refused with what does it all the same, and a start is not",
  async (t) => {
    const { call, log } = apiWith({ isAway: true });
    await t.rejects(async () => call("POST /v1/agents/stop"), {
      code: "WATCHD_E_LEDGER_UNAVAILABLE",
      hint: /`systemctl stop unit-of-a`/,
    });
    t.same(log, []);
    t.match(await call("POST /v1/agents/start"), { stopped: false });
    t.same(log, ["agent.start-request", "a released", "survey", "operator-start"]);
  },
);
