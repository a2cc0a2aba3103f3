import t from "tap";
import type { AgentSpec } from "./fleet.ts";
import { type AgentInput, defineFleet, type FleetInput, type HostManifest, nixpkg, source } from "./index.ts";

/*
 * Most of this is checked by tsc: a line below `@ts-expect-error` that compiles is an error there. The functions are never
 * called.
 */
const command: AgentInput["command"] = [nixpkg("nodejs_24", "bin/node"), source("./enricher", "main.js")];

const valid = defineFleet({
  hosts: {
    "etl-01": {
      system: "x86_64-linux",
      agents: {
        enricher: {
          command: [nixpkg("nodejs_24", "bin/node"), source("./enricher", "main.js"), "--verbose"],
          environment: { LOG: "info", NODE: nixpkg("nodejs_24", "bin/node") },
          credentials: { API_KEY: "/run/secrets/key" },
          startup: "60s",
          health: {
            http: "http://127.0.0.1:8080/health",
            every: "3s",
            expect: { status: 200, within: "1s" },
          },
          limits: { memory: "512MiB" },
          restart: {
            when: "on-failure",
            backoff: { initial: "100ms", factor: 2, max: "30s", jitter: 0.2 },
            attempts: 3,
            within: "10m",
          },
          stop: { signal: "SIGINT", grace: "5s" },
          escalate: ["rollback", "alert"],
          required: false,
        },
      },
      watchdog: { probation: "10m", rollbackBudget: 1 },
    },
  },
});

export function wrongAgents(): AgentInput[] {
  return [
    { command },
    // @ts-expect-error -- the command is required
    {},
    // @ts-expect-error -- the command is not empty
    { command: [] },
    // @ts-expect-error -- an unknown option
    { command, helth: {} },
    // @ts-expect-error -- a duration has a unit
    { command, startup: 60 },
    // @ts-expect-error -- a duration is a whole number
    { command, startup: "1.5m" },
    // @ts-expect-error -- a unit that does not exist
    { command, startup: "60sec" },
    // @ts-expect-error -- sizes are binary
    { command, limits: { memory: "512MB" } },
    // @ts-expect-error -- not a signal that can be caught
    { command, stop: { signal: "SIGKILL" } },
    // @ts-expect-error -- not an escalation
    { command, escalate: ["page"] },
    // @ts-expect-error -- a health check needs its URL
    { command, health: { every: "3s" } },
    // @ts-expect-error -- an unknown nested option
    { command, restart: { backoff: { base: "1s" } } },
    // @ts-expect-error -- a credential is a path, not a source
    { command, credentials: { KEY: source("./secrets", "key") } },
  ];
}

export function wrongFleets(): FleetInput[] {
  return [
    valid,
    // @ts-expect-error -- a fleet has hosts
    defineFleet({}),
    // @ts-expect-error -- a host has a system
    defineFleet({ hosts: { a: { agents: {} } } }),
    // @ts-expect-error -- a system that Daruma is not made for
    defineFleet({ hosts: { a: { system: "x86_64-darwin", agents: {} } } }),
  ];
}

type Same<A, B> = [A, B] extends [B, A] ? true : false;
type Shared = Exclude<keyof AgentSpec, "command" | "environment" | "egress" | "fallback">;

/** An agent's spec has what its manifest has, but for the parts that only a build knows. */
export const specMatchesManifest: Same<
  Pick<AgentSpec, Shared>,
  Omit<HostManifest["agents"][string], "digest" | "command" | "environment" | "egress" | "fallback">
> = true;

t.test("defineFleet returns what it is given, and references are plain data", async (t) => {
  const fleet = { hosts: {} };
  t.equal(defineFleet(fleet), fleet);
  t.same(JSON.parse(JSON.stringify(valid)), valid);
  t.equal(wrongAgents().length, 13);
});
