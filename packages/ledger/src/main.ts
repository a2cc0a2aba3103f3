import { exitCode, feedByClock, isDarumaError, outliveOutput } from "@daruma/base";
import { parseOptions } from "./options.ts";
import { type Ledgerd, startLedgerd } from "./server.ts";
import { witnessMain } from "./witness-main.ts";

/** ledgerd: the only writer of the ledger. Says `{"ready":true,…}` on stdout once it serves. */
async function main(): Promise<void> {
  outliveOutput();
  const options = parseOptions(process.argv.slice(2));
  feedByClock(process.env, (message) => console.error(`ledgerd: ${message}`));
  let ledgerd: Ledgerd | null = null;
  let stopping = false;
  const stop = () => {
    stopping = true;
    ledgerd?.stop().then(() => process.exit(), exitWith);
  };
  // From the first moment on: a signal while the ledger is being opened must not leave it half open.
  process.on("SIGTERM", stop).on("SIGINT", stop);
  if (options.exitWithParent) process.stdin.on("end", stop).on("error", stop).resume();
  ledgerd = await startLedgerd({
    ...options,
    onTrouble: (error) => {
      if (error === null) console.error("ledgerd: writing works again");
      else report(error);
    },
    onProblem: report,
    onWitness: (error, name) => {
      if (error === null) console.error(`ledgerd: the witness ${name} takes checkpoints again`);
      else report(error);
    },
    onFatal: (error) => {
      report(error);
      process.exitCode = exitOf(error);
      stop();
    },
  });
  if (stopping) return stop();
  const { head, key, sockets } = ledgerd;
  const ready = { ready: true, schemaVersion: 1, pid: process.pid, host: options.host, head, key, sockets };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

/** For a person, or as one line of JSON for a program that reads stderr. */
function report(error: unknown): void {
  if (!isDarumaError(error)) console.error(error);
  else if (process.stderr.isTTY) console.error(`ledgerd: ${error.code}: ${error.message}\n  ${error.hint}`);
  else console.error(JSON.stringify(error.toDocument()));
}

function exitOf(error: unknown): number {
  return isDarumaError(error) ? error.exit : exitCode.error;
}

function exitWith(error: unknown): never {
  report(error);
  process.exit(exitOf(error));
}

const [subcommand, ...rest] = process.argv.slice(2);
if (subcommand === "witness") witnessMain(rest, report).catch(exitWith);
else main().catch(exitWith);
