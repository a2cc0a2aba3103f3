import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDarumaError } from "@daruma/base";
import type { Sockets } from "../instance/layout.ts";
import { stateLayout } from "../instance/layout.ts";
import { Daemon, type DaemonSpec, type ReadyLine } from "./daemon.ts";
import type { Programs } from "./programs.ts";
import type { DevReport } from "./report.ts";

export interface DaemonsOptions {
  readonly programs: Programs;
  readonly host: string;
  readonly state: string;
  readonly sockets: Sockets;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly report: DevReport;
  readonly signal: AbortSignal;
}

export interface Daemons {
  readonly ledgerd: Daemon;
  readonly watchd: Daemon;
  /** `seq` of the ledger's last entry when ledgerd came up. */
  readonly headSeq: number;
}

/** The daemons of a dev that was killed a moment ago hold their locks until they notice; this is how long they may. */
const predecessorMs = 5_000;
/** Each look is a start of the daemon: soon again at first, since it takes them no time as a rule. */
const lookMs = { first: 50, longest: 800 };
const locked: ReadonlySet<string> = new Set([
  "LEDGER_E_LOCKED",
  "WATCHD_E_ALREADY_RUNNING",
  "SOCKET_E_IN_USE",
]);

/**
 * Brings ledgerd up, then watchd: watchd starts agents at once, and nothing must run of which there is no record.
 *
 * @throws what the daemon that does not start complains of; then neither runs
 */
export async function startDaemons(options: DaemonsOptions): Promise<Daemons> {
  const ledger = await startDaemon(ledgerdSpec(options), options);
  try {
    const headSeq = headSeqOf(ledger.ready);
    const { daemon: watchd } = await startDaemon(watchdSpec(options), options);
    return { ledgerd: ledger.daemon, watchd, headSeq };
  } catch (error) {
    await ledger.daemon.stop(5_000);
    throw error;
  }
}

/** Brings egressd up. It refuses nothing: nothing here would keep an agent from going around it. */
export async function startEgressDaemon(options: DaemonsOptions): Promise<Daemon> {
  return (await startDaemon(egressdSpec(options), options)).daemon;
}

async function startDaemon(spec: DaemonSpec, { report, signal }: DaemonsOptions) {
  const events = {
    onDown: (error: Error, restartInMs: number) => void report.daemonDown(spec.name, error, restartInMs),
    onUp: (pid: number) => void report.daemonUp(spec.name, pid),
  };
  const deadline = performance.now() + predecessorMs;
  for (let waitMs = lookMs.first; ; waitMs = Math.min(waitMs * 2, lookMs.longest)) {
    try {
      return await Daemon.start(spec, events, signal);
    } catch (error) {
      const passing = isDarumaError(error) && locked.has(error.code);
      if (!passing || performance.now() > deadline) throw error;
      await sleep(waitMs);
    }
  }
}

function ledgerdSpec({ programs, host, state, sockets, environment }: DaemonsOptions): DaemonSpec {
  const layout = stateLayout(state);
  return {
    name: "ledgerd",
    program: programs.ledgerd,
    args: [
      "--store",
      layout.ledger,
      "--sockets",
      sockets.ledger,
      "--host",
      host,
      "--writers",
      "watchd,operator,egressd",
    ],
    log: layout.ledgerdLog,
    environment,
  };
}

function watchdSpec({ programs, state, sockets, environment }: DaemonsOptions): DaemonSpec {
  const layout = stateLayout(state);
  return {
    name: "watchd",
    program: programs.watchd,
    args: [
      ...["--state", layout.root],
      ...["--runtime", sockets.directory],
      ...["--generations", layout.generations],
      ...["--ledger", sockets.watchdLedger],
      ...["--socket", sockets.watchd],
      ...["--egressd", sockets.egressd],
    ],
    log: layout.watchdLog,
    environment,
  };
}

function egressdSpec({ programs, state, sockets, environment }: DaemonsOptions): DaemonSpec {
  const layout = stateLayout(state);
  return {
    name: "egressd",
    program: programs.egressd,
    args: [
      ...["--manifest", join(layout.generations, "profiles", "system", "host.json")],
      ...["--ledger", sockets.egressdLedger],
      ...["--socket", sockets.egressd],
      "--observe",
    ],
    log: layout.egressdLog,
    environment,
  };
}

function headSeqOf({ head }: ReadyLine): number {
  const seq: unknown = typeof head === "object" && head !== null ? Reflect.get(head, "seq") : undefined;
  if (typeof seq !== "number") throw new Error("ledgerd did not say where the ledger stands");
  return seq;
}
