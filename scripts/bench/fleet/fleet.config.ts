import { defineFleet, nixpkg, source } from "@daruma/config";

/** One small agent that is restarted at once, as often as it falls: what is measured is Daruma, not a policy's patience. */
export default defineFleet({
  hosts: {
    bench: {
      system: "x86_64-linux",
      agents: {
        echo: {
          command: [nixpkg("nodejs_24", "bin/node"), source("./echo", "main.js")],
          environment: { PORT: "18573" },
          health: { http: "http://127.0.0.1:18573/health", every: "1s", expect: { within: "500ms" } },
          restart: { backoff: { initial: "0ms" }, attempts: 1000, within: "1h" },
          escalate: ["alert"],
        },
      },
    },
  },
});
