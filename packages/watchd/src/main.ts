import { join } from "node:path";
import { parseArgs } from "node:util";
import { exitCode, isDarumaError, messageOf, serveUnix, type UnixServer } from "@daruma/base";
import { connectLedger } from "@daruma/ledger";
import { watchdErrors } from "./catalogue.ts";
import { createClock } from "./clock.ts";
import { createDirectoryGenerations } from "./generations/directory.ts";
import { createProber } from "./probe.ts";
import { createProcessManager } from "./processes/manager.ts";
import { apiRoutes } from "./supervisor/api.ts";
import type { LedgerPort } from "./supervisor/outbox.ts";
import { startSupervisor } from "./supervisor/supervisor.ts";

interface Arguments {
  readonly state: string;
  readonly runtime: string;
  readonly generations: string;
  readonly ledger: string;
  readonly socket: string;
  readonly exitWithParent: boolean;
}

const intentWithinMs = 2_000;

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2));
  const clock = createClock();
  const generations = await createDirectoryGenerations({ root: options.generations });
  const services = createProcessManager({ stateDir: options.state, runtimeDir: options.runtime });
  const connect = () => connectLedger({ socket: options.ledger });
  const supervisor = await startSupervisor({
    world: { services, generations, prober: createProber() },
    clock,
    journalDir: join(options.state, "watchd", "journal"),
    connectLedger: connect,
    log: (message) => process.stderr.write(`watchd: ${message}\n`),
    onFatal: fail,
  });
  const recordIntent = (entry: Parameters<LedgerPort["append"]>[0]) => appendOnce(connect, entry);
  const server = await serveUnix({
    path: options.socket,
    routes: apiRoutes({ supervisor, generations, clock, recordIntent }),
    onBug: (error) => process.stderr.write(`watchd: ${stackOf(error)}\n`),
  });
  endOnSignals(server, () => supervisor.close(), options.exitWithParent);
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid })}\n`);
}

async function appendOnce(
  connect: () => Promise<LedgerPort>,
  entry: Parameters<LedgerPort["append"]>[0],
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no acknowledgement within ${intentWithinMs} ms`)),
      intentWithinMs,
    );
  });
  const ledger = await Promise.race([connect(), late]);
  try {
    await Promise.race([ledger.append(entry), late]);
  } finally {
    clearTimeout(timer);
    await ledger.close();
  }
}

function endOnSignals(server: UnixServer, close: () => Promise<void>, exitWithParent: boolean): void {
  let ending = false;
  const end = () => {
    if (ending) return;
    ending = true;
    server
      .close()
      .then(close)
      .then(() => process.exit(exitCode.ok), fail);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  if (!exitWithParent) return;
  process.stdin.on("end", end);
  process.stdin.on("error", end);
  process.stdin.resume();
}

function parseArguments(argv: string[]): Arguments {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        state: text,
        runtime: text,
        generations: text,
        ledger: text,
        socket: text,
        "exit-with-parent": { type: "boolean" },
      },
    });
    const need = (name: "state" | "runtime" | "generations" | "ledger" | "socket"): string => {
      const value = values[name];
      if (value === undefined) throw new Error(`--${name} is missing`);
      return value;
    };
    return {
      state: need("state"),
      runtime: need("runtime"),
      generations: need("generations"),
      ledger: need("ledger"),
      socket: need("socket"),
      exitWithParent: values["exit-with-parent"] ?? false,
    };
  } catch (cause) {
    throw watchdErrors.make("WATCHD_E_USAGE", messageOf(cause), { cause });
  }
}

/** A user's circumstance is one tidy diagnostic; a bug of ours keeps its stack. Agents keep running either way. */
function fail(error: unknown): never {
  if (isDarumaError(error)) {
    process.stderr.write(`watchd: ${error.code}: ${error.message}\n  ${error.hint}\n`);
    process.exit(error.exit);
  }
  process.stderr.write(`watchd: ${stackOf(error)}\n`);
  process.exit(exitCode.error);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

main().catch(fail);
