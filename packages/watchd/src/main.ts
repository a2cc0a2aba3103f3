import { dirname, join } from "node:path";
import {
  exitCode,
  isDarumaError,
  messageOf,
  outliveOutput,
  serveStatus,
  serveUnix,
  type UnixServer,
} from "@daruma/base";
import { alertsSocketName } from "@daruma/config";
import { connectLedger } from "@daruma/ledger";
import { openAgentApi } from "./agent-api/agent-api.ts";
import { alertRoutes } from "./alerts/api.ts";
import { openAlerts } from "./alerts/runtime.ts";
import { createSecrets } from "./alerts/secrets.ts";
import { createTransport } from "./alerts/transport.ts";
import { parseArguments } from "./arguments.ts";
import { createClock } from "./clock.ts";
import { Collector } from "./collect.ts";
import { driftRoutes } from "./drift/api.ts";
import { createLaptopMachine } from "./drift/laptop-machine.ts";
import { fileMemory } from "./drift/memory.ts";
import { type Drift, openDrift } from "./drift/watch.ts";
import { Counts } from "./facts/counts.ts";
import { factsOf } from "./facts/facts.ts";
import { openHost } from "./host.ts";
import { openLaptop } from "./laptop.ts";
import { createProber } from "./probe.ts";
import { createRoutineProcesses } from "./processes/routine-runs.ts";
import { routineRoutes } from "./routines/api.ts";
import { openRoutines } from "./routines/runtime.ts";
import { apiRoutes } from "./supervisor/api.ts";
import type { LedgerPort } from "./supervisor/outbox.ts";
import { type Supervisor, startSupervisor } from "./supervisor/supervisor.ts";
import { unitOf } from "./systemd/site.ts";
import { followUpstreams } from "./upstreams.ts";

const intentWithinMs = 2_000;
/** Well within the unit's TimeoutStopSec=. */
const endWithinMs = 10_000;

async function main(): Promise<void> {
  outliveOutput();
  const options = parseArguments(process.argv.slice(2));
  const log = (message: string) => process.stderr.write(`watchd: ${message}\n`);
  const clock = createClock();
  const { egressd } = options;
  const counts = new Counts();
  const collector = new Collector();
  const host = options.generations === null ? openHost({ ...options, log }) : null;
  const world = host ?? (await openLaptop({ ...options, root: options.generations ?? "", log }));
  const alerts = openAlerts({
    journalDir: join(options.state, "watchd", "alerts"),
    clock,
    connectLedger: () => connectLedger({ socket: options.ledger }),
    ledgerSocket: options.ledger,
    secrets: createSecrets(host === null ? null : (process.env.CREDENTIALS_DIRECTORY ?? "/nonexistent")),
    transport: createTransport({
      egressd: egressd === undefined ? null : join(dirname(egressd), alertsSocketName),
    }),
    log,
    onFatal: fail,
  });
  const isolation = host === null ? "one" : "users";
  const routines = openRoutines({
    services: host?.runs ?? createRoutineProcesses({ stateDir: options.state, runtimeDir: options.runtime }),
    stateDir: options.state,
    runtimeDir: options.runtime,
    isolation,
    journalDir: join(options.state, "watchd", "routines"),
    clock,
    connectLedger: () => connectLedger({ socket: options.ledger }),
    ledgerSocket: options.ledger,
    hear: (epoch, entries) => alerts.hear("routines", epoch, entries),
    log,
    onRecords: (records) => counts.countRoutines(records),
    onFatal: fail,
  });
  const follow = async () => {
    if (begun === null) return;
    await alerts.follow(begun.current);
    await routines.follow(begun.current).catch(fail);
  };
  const connect = () => connectLedger({ socket: options.ledger });
  let begun: Supervisor | null = null;
  let drift: Drift | null = null;
  const agents = openAgentApi({
    runtime: options.runtime,
    isolation,
    state: () => begun?.state ?? null,
    connectLedger: connect,
    onRestart: (agent, runId) => begun?.dispatch({ type: "restart-asked", agent, runId }),
    onIdle: (agent, runId, forMs) => begun?.dispatch({ type: "idle", agent, runId, forMs }),
    onProgress: (agent, runId, count) => begun?.dispatch({ type: "progress", agent, runId, count }),
    monoNow: () => clock.now().mono,
    onBeat: (agent, runId) => begun?.dispatch({ type: "beat", agent, runId }),
    log,
  });
  const supervisor = await startSupervisor({
    world: { ...world, prober: createProber() },
    clock,
    journalDir: join(options.state, "watchd", "journal"),
    connectLedger: connect,
    ...(egressd === undefined
      ? {}
      : { followUpstreams: (tell) => followUpstreams({ socket: egressd, tell }) }),
    hear: (epoch, entries) => alerts.hear("agents", epoch, entries),
    log,
    onFatal: fail,
    onRecords: (records, state) => {
      collector.onNews();
      counts.countAgents(records, state);
    },
    beforeActing: async (state) => {
      await (host ?? world).beforeActing(state);
      await agents.follow(state);
      void follow();
    },
    onReconciled: () => {
      host?.onReconciled();
      void agents.check();
      if (begun !== null) alerts.reconciled(begun.state);
      void follow();
    },
  });
  begun = supervisor;
  world.generations.onSwitch(() => collector.onSwitch());
  await follow();
  const own = join(options.state, "watchd");
  const onChange = () => drift?.hint();
  const about = { state: own, now: () => clock.now().wall, log, onChange };
  const machine = host?.machine(about) ?? createLaptopMachine({ ...about, generations: world.generations });
  const memory = fileMemory(join(own, "drift.json"), log);
  const watched = { supervisor, generations: world.generations, machine, memory, clock, log };
  const watching = await openDrift(watched);
  drift = watching;
  const recordIntent = (entry: Parameters<LedgerPort["append"]>[0]) => appendOnce(connect, entry);
  const facts = () => factsOf(supervisor, routines, counts);
  const onBug = (error: unknown) => log(stackOf(error));
  const server = await serveUnix({
    path: options.socket,
    routes: {
      ...apiRoutes({
        supervisor,
        ...world,
        clock,
        recordIntent,
        unitOf: host === null ? null : unitOf,
        onAllow: host?.onAllow ?? (async () => undefined),
        routines: { follow, drain: () => routines.drain() },
      }),
      ...driftRoutes({ drift: watching, current: () => supervisor.current?.path ?? "", recordIntent }),
      ...routineRoutes(routines),
      ...alertRoutes(alerts),
      "POST /v1/routines/kill": async () => {
        await routines.kill();
        return { schemaVersion: 1 };
      },
      "GET /v1/facts": async () => facts(),
    },
    onBug,
  });
  const status = await serveStatus({ path: options.statusSocket, status: facts, onBug });
  const close = async () => {
    await status?.close();
    await watching.close();
    await agents.close();
    await routines.close();
    await supervisor.close();
    await alerts.close();
  };
  endOnSignals(server, close, options.exitWithParent);
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid })}\n`);
  host?.onReconciled();
  await host
    ?.tellFailures(supervisor)
    .catch((error) => log(`an earlier failure cannot be told: ${messageOf(error)}`));
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
    // All that matters is durable already: a ledger or a disk that hangs must not make a stop look like a failure.
    setTimeout(() => process.exit(exitCode.ok), endWithinMs).unref();
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
