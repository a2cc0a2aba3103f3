import { exitCode, isDarumaError, outliveOutput } from "@daruma/base";
import { readControlGroup } from "./agent-usage.ts";
import { startExporter } from "./exporter.ts";
import { parseOptions } from "./options.ts";

/** metricsd: tells Prometheus what the other daemons tell it. Says `{"ready":true,…}` on stdout once it serves. */
async function main(): Promise<void> {
  outliveOutput();
  const { cgroup, watchd, ledgerd, egressd, ...options } = parseOptions(process.argv.slice(2));
  const source = (socket: string) => ({ socket, route: "/v1/status" });
  const exporter = await startExporter({
    ...options,
    ...(cgroup === null ? {} : { readUsage: readControlGroup(cgroup) }),
    sources: {
      watchd: source(watchd),
      ledgerd: source(ledgerd),
      egressd: egressd === null ? null : source(egressd),
    },
    onBug: report,
  });
  const end = () => void exporter.close().then(() => process.exit(exitCode.ok), fail);
  process.on("SIGTERM", end).on("SIGINT", end);
  const { port } = exporter;
  process.stdout.write(`${JSON.stringify({ ready: true, schemaVersion: 1, pid: process.pid, port })}\n`);
}

function report(error: unknown): void {
  if (isDarumaError(error))
    process.stderr.write(`metricsd: ${error.code}: ${error.message}\n  ${error.hint}\n`);
  else process.stderr.write(`metricsd: ${error instanceof Error ? error.stack : String(error)}\n`);
}

function fail(error: unknown): never {
  report(error);
  process.exit(isDarumaError(error) ? error.exit : exitCode.error);
}

main().catch(fail);
