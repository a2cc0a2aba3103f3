import { setFlagsFromString } from "node:v8";
import { exitCode, isDarumaError, outliveOutput } from "@daruma/base";
import { connectLedger } from "@daruma/ledger";
import { startEgressd } from "./egressd.ts";
import { parseOptions } from "./options.ts";

// What a connection leaves behind is dead soon. A young generation that grows with the load (to 16 MiB and more, and never shrinks)
// makes the collector run less often than it costs memory: 1,000 tunnels take half as much without.
setFlagsFromString("--semi-space-growth-factor=1");

/** egressd: the only way out of an agent. Says `{"ready":true,…}` on stdout once it serves. */
async function main(): Promise<void> {
  outliveOutput();
  const options = parseOptions(process.argv.slice(2));
  const egressd = await startEgressd({
    ...options,
    connectLedger: () => connectLedger({ socket: options.ledger }),
    ...(options.dns.length === 0 ? {} : { resolver: { servers: options.dns } }),
    log: (message) => process.stderr.write(`egressd: ${message}\n`),
  });
  let isEnding = false;
  const end = () => {
    if (isEnding) return;
    isEnding = true;
    egressd.close().then(() => process.exit(exitCode.ok), fail);
  };
  process.on("SIGTERM", end).on("SIGINT", end);
  process.on("SIGHUP", () => void egressd.reload().catch(report));
  if (options.exitWithParent) process.stdin.on("end", end).on("error", end).resume();
  process.stdout.write(`${JSON.stringify({ ready: true, schemaVersion: 1, pid: process.pid })}\n`);
}

function report(error: unknown): void {
  if (isDarumaError(error))
    process.stderr.write(`egressd: ${error.code}: ${error.message}\n  ${error.hint}\n`);
  else process.stderr.write(`egressd: ${error instanceof Error ? error.stack : String(error)}\n`);
}

function fail(error: unknown): never {
  report(error);
  process.exit(isDarumaError(error) ? error.exit : exitCode.error);
}

main().catch(fail);
