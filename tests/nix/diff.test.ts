import type { AgentInput, HostInput, RoutineInput } from "@daruma/config";
import { nixpkg } from "@daruma/config";
import t from "tap";
import { diffFleets } from "../../packages/agentctl/src/diff/diff.ts";
import { hostSpecOf, unitsOf, withoutNix } from "./support.ts";

/*
 * What `agentctl diff` says of a unit, held against the units that Nix makes: one that is left alone has the same text, and one
 * that is said to be restarted or reloaded has another.
 */
const agent: AgentInput = {
  command: [nixpkg("nodejs_24", "bin/node"), "main.js"],
  egress: ["api.example.com:443"],
};
const forward = { host: "db.example.com", port: 5432, protocol: "postgres", forward: 15432 } as const;
const { egress: _, ...open } = agent;

type Case = { readonly agents: Readonly<Record<string, AgentInput>>; readonly host?: Partial<HostInput> };
const one = (change: Partial<AgentInput>, host: Partial<HostInput> = {}): Case => ({
  agents: { aa: { ...agent, ...change }, zz: agent },
  host,
});
const routine: RoutineInput = { command: agent.command, schedule: "0 2 * * *" };
const withRoutine = (change: Partial<RoutineInput>): Case =>
  one({}, { routines: { nightly: { ...routine, ...change } } });
const cases: readonly Case[] = [
  one({}),
  one({ environment: { A: "1" } }),
  one({ startup: "31s" }),
  one({ health: { http: "http://127.0.0.1:1/" } }),
  one({ health: { http: "http://127.0.0.1:1/", expect: { contains: "ok" } } }),
  one({ heartbeat: { through: "notify", every: "1s" } }),
  one({ heartbeat: { through: "http", every: "2s" } }),
  one({ restart: { when: "always" } }),
  one({ restart: { exits: { "3": "success" } } }),
  one({ restart: { backoff: { kind: "linear" } } }),
  one({
    restart: { attempts: 4, within: "11m", backoff: { initial: "1s", max: "1m", factor: 3, jitter: 0 } },
  }),
  one({ escalate: ["alert"], required: false }),
  one({ limits: { memory: "64MiB" } }),
  one({ stop: { signal: "SIGINT" } }),
  one({ credentials: { KEY: "/run/key" } }),
  one({ workingDirectory: "/srv/x" }),
  one({ egress: ["api.example.com:443", forward] }),
  one({ egress: ["api.example.com:443", "b.example.com:443"] }),
  one({}, { egress: { mode: "observe" } }),
  one({}, { egress: { limits: { connections: 7 } } }),
  one({}, { watchdog: { probation: "1h", rollbackBudget: 0, restartsAtOnce: 2 } }),
  { agents: { aa: open, zz: open } },
  { agents: { aa: agent } },
  withRoutine({}),
  withRoutine({ egress: ["api.example.com:443"], limits: { memory: "64MiB" } }),
  { agents: { aa: open, zz: open }, host: { routines: { nightly: { ...routine, egress: [] } } } },
];

/** What a switch neither starts nor stops by itself. They do not depend on agents. */
const onDemand = new Set([
  "daruma-egress-self-test.service",
  "daruma-egress-probe@.service",
  "daruma-egress-probe-routine@.service",
]);

t.test(
  "every unit that is said to be left alone is, and every other is not",
  { skip: withoutNix },
  async (t) => {
    const texts = unitsOf(cases).map(({ unitTexts }) => unitTexts);
    const fleets = cases.map((each) => ({ hosts: { web: hostSpecOf(each) } }));
    for (const [from, before] of fleets.entries()) {
      for (const to of from === 0 ? fleets.keys() : [0]) {
        const after = fleets[to];
        if (after === undefined) throw new Error("there is no such case");
        const { hosts } = diffFleets(before, after, { sourceState: () => "same", notes: [] });
        const said = new Map(hosts.flatMap(({ units }) => units.map(({ unit, action }) => [unit, action])));
        const names = new Set([...Object.keys(texts[from] ?? {}), ...Object.keys(texts[to] ?? {})]);
        for (const name of names) {
          if (onDemand.has(name)) continue;
          const [was, is] = [texts[from]?.[name], texts[to]?.[name]];
          const action = said.get(name) ?? "none";
          const isRoutine = name.startsWith("daruma-routine-");
          const real =
            was === undefined ? "start" : is === undefined ? "stop" : was === is ? "none" : "changed";
          const words = isRoutine
            ? { start: "add", stop: "remove", none: "none", changed: "next" }
            : { start: "start", stop: "stop", none: "none", changed: "restart reload" };
          t.equal(
            words[real].split(" ").includes(action),
            true,
            `${from} to ${to}: ${name} is ${action}, really ${real}`,
          );
        }
      }
    }
  },
);
