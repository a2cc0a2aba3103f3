/** The fleet file of a new fleet: one agent that works at once, and the options that matter most. */
export const fleetText = `import { defineFleet, nixpkg, source } from "@daruma/config";

// The one description of the fleet. \`agentctl dev\` runs it here; \`agentctl compile\` writes generated/HOST/default.nix for
// NixOS; \`agentctl check\` tells what is wrong with it. It is a program: roles and shared defaults are plain TypeScript.
// An editor completes and explains every option, from types/daruma-config.d.ts.

const port = 8080;

export default defineFleet({
  hosts: {
    "agent-01": {
      system: "x86_64-linux",
      agents: {
        hello: {
          // The program is a file of a nixpkgs package; the code is a directory beside this file, and becomes part of each
          // generation, so that rolling back brings the old code back.
          command: [nixpkg("nodejs_24", "bin/node"), source("./hello", "main.mjs")],
          environment: { PORT: String(port) },

          // Secrets: name in $CREDENTIALS_DIRECTORY -> file on the host. Never in \`environment\`.
          // credentials: { API_KEY: "/run/secrets/hello-api-key" },

          // An agent is healthy when this answers, not when its process is there.
          startup: "30s",
          health: { http: \`http://127.0.0.1:\${port}/health\`, every: "3s", expect: { status: 200, within: "1s" } },

          // A failure leads to a restart, first after 100 ms, then ever later; three within ten minutes lead to \`escalate\`.
          restart: { backoff: { initial: "100ms", factor: 2, max: "30s" }, attempts: 3, within: "10m" },

          // If a deploy can be the cause, the whole system goes back to the last generation that was proven good, once.
          escalate: ["rollback", "alert"],

          limits: { memory: "256MiB" },

          // What it may reach; on a host nothing else. Names with their ports: ["api.example.com:443"].
          egress: [],
        },
      },
      watchdog: {
        // How long every agent stays healthy until a generation is known-good.
        probation: "10m",
      },
    },
  },
});
`;

/** An agent in as few lines as it can be; it stops when it is asked to. */
export const agentText = `import { createServer } from "node:http";

const server = createServer((request, response) => {
  response.end(request.url === "/health" ? "ok\\n" : "Hello from an agent.\\n");
});
server.listen(Number(process.env.PORT), "127.0.0.1");

process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
`;
