/** Daruma's side of the comparison: one agent that is watched for everything but the trend of its memory, and one for that. */
import { limitMib } from "./trials.ts";

/**
 * Restarted at once, as the others do it by default.
 * @param within in which three failures are one too many
 */
export function fleetFile(
  host: string,
  ports: { readonly echo: number; readonly leaky: number },
  within: string,
): string {
  const agent = (port: number, resources: string) => `{
      command: [nixpkg("nodejs_24", "bin/node"), source("./echo", "main.js")],
      environment: { PORT: "${port}" },
      health: { http: "http://127.0.0.1:${port}/health", every: "1s", expect: { within: "500ms" } },
      resources: ${resources},
      restart: { backoff: { initial: "0ms" }, attempts: 3, within: "${within}" },
    }`;
  return `import { defineFleet, nixpkg, source } from "@daruma/config";
export default defineFleet({ hosts: { "${host}": { system: "x86_64-linux", watchdog: { probation: "500ms" }, agents: {
    echo: ${agent(ports.echo, `{ memory: "${limitMib}MiB", sustained: "1s" }`)},
    leaky: ${agent(ports.leaky, '{ leak: { growth: "32MiB", within: "10s" } }')},
} } } });\n`;
}
