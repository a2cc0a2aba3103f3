import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { messageOf } from "@daruma/base";
import type { HostManifest, RoutineManifest } from "@daruma/config";
import type { Isolation } from "../agent-api/place.ts";
import { type Journal, openJournal } from "../journal/journal.ts";
import type { LedgerRecord } from "../policy/events.ts";
import type { Clock, CurrentGeneration, Instant } from "../ports.ts";
import { type LedgerPort, Outbox, type OutboxOptions } from "../supervisor/outbox.ts";
import { type DurableRoutines, encodeRoutines, recoverRoutines } from "./durable.ts";
import { createRoutineEngine, type RoutineEngine } from "./engine.ts";
import { createRoutineExecutor, type RoutineExecutor } from "./executor.ts";
import { pruneRuns, removeStrayInputs } from "./homes.ts";
import { policyOf, scheduleProblem } from "./manifest.ts";
import { watchMemory } from "./memory.ts";
import type { RoutinePolicy } from "./policy.ts";
import { runOf } from "./run-of.ts";
import { createRunSockets } from "./run-sockets.ts";
import type { RoutineServices, RunName } from "./services.ts";
import { initialRoutines, type RoutinesState } from "./state.ts";
import { Triggers } from "./triggers/triggers.ts";

export interface RoutinesOptions {
  readonly services: RoutineServices;
  readonly stateDir: string;
  /** Where what must not outlive the boot is. */
  readonly runtimeDir: string;
  readonly isolation: Isolation;
  readonly journalDir: string;
  /** Of each of its two files at first; default 4 MiB. They grow with what there is to be kept. */
  readonly journalBytes?: number;
  readonly clock: Clock;
  readonly connectLedger: () => Promise<LedgerPort>;
  /** A socket of ledgerd, to be asked for entries. */
  readonly ledgerSocket: string;
  readonly hear?: OutboxOptions["hear"];
  readonly log: (message: string) => void;
  /** Called with what has come about, once it is durable; for counting. */
  readonly onRecords?: (records: readonly LedgerRecord[]) => void;
  /** The journal failed: this watchd must end, so that a fresh one can start from what is durable. */
  readonly onFatal: (error: unknown) => void;
}

/** What there is to be asked of routines. */
export interface RoutinesView {
  readonly stateDir: string;
  /** See `RoutineServices`. */
  readonly journalOf: (run: RunName) => string | null;
  readonly now: () => Instant;
  /** What the current generation declares. */
  readonly declared: Readonly<Record<string, RoutineManifest>>;
  /** Null as long as this state directory has never had a routine. */
  readonly engine: RoutineEngine | null;
}

/** What runs the routines of the current generation. */
export interface Routines extends RoutinesView {
  /** Tells which generation is current. A host that never had a routine gets no journal of them. */
  follow(current: CurrentGeneration | null): Promise<void>;
  /** Stops every run, each of which is over then; resolves when nothing runs and the ledger has been told, if it listens. */
  drain(): Promise<void>;
  /** As `drain`, without waiting for anything to end by itself. */
  kill(): Promise<void>;
  /** Ends watching. Runs go on, and the next watchd adopts them. */
  close(): Promise<void>;
}

const surveyEveryMs = 60_000;
const memoryEveryMs = 1_000;

/** A journal of its own: what agents need is never behind ten thousand routines. */
export function openRoutines(options: RoutinesOptions): Routines {
  let declared: HostManifest["routines"] = {};
  let begun: Begun | null = null;
  let following: Promise<void> = Promise.resolve();
  let closing = false;
  let path: string | null = null;
  const follow = async (current: CurrentGeneration) => {
    if (closing || current.path === path) return;
    path = current.path;
    declared = current.manifest.routines;
    if (begun === null && Object.keys(declared).length === 0 && !existsSync(options.journalDir)) return;
    const policies: Record<string, RoutinePolicy> = {};
    for (const [name, routine] of Object.entries(declared)) {
      const problem = scheduleProblem(name, routine);
      if (problem !== null)
        options.log(`routine ${name} is never due: its schedule cannot be read: ${problem}`);
      policies[name] = policyOf(routine, problem);
    }
    if (begun === null) {
      begun = await begin(options, () => declared);
      begun.engine.dispatch({ type: "routines", policies });
      await begun.survey();
    } else await begun.engine.ask({ type: "routines", policies });
    await begun.triggers.follow(declared);
  };
  return {
    stateDir: options.stateDir,
    journalOf: (run) => options.services.journalOf(run),
    now: () => options.clock.now(),
    get declared() {
      return declared;
    },
    get engine() {
      return begun?.engine ?? null;
    },
    follow(current) {
      if (current === null) return Promise.resolve();
      following = following.then(() => follow(current));
      return following;
    },
    async drain() {
      closing = true;
      await following.catch(() => undefined);
      await begun?.drain(false);
    },
    async kill() {
      closing = true;
      await begun?.drain(true);
    },
    async close() {
      closing = true;
      await following.catch(() => undefined);
      await begun?.close();
      await options.services.close();
    },
  };
}

interface Begun {
  readonly engine: RoutineEngine;
  readonly triggers: Triggers;
  survey(): Promise<void>;
  drain(atOnce: boolean): Promise<void>;
  close(): Promise<void>;
}

async function begin(options: RoutinesOptions, routines: () => HostManifest["routines"]): Promise<Begun> {
  const { services, clock, stateDir, log } = options;
  const { journalDir: dir, journalBytes } = options;
  const journal = await openJournal(
    journalBytes === undefined ? { dir } : { dir, capacityBytes: journalBytes },
  );
  const durable = await recover(journal);
  const outbox = new Outbox({
    epoch: durable.state.epoch,
    connect: options.connectLedger,
    nextEntry: durable.nextEntry,
    waiting: durable.waiting,
    wallNow: () => clock.now().wall,
    hear: options.hear,
    log,
  });
  removeStrayInputs(stateDir, requestsOf(durable.state));
  const engine = createRoutineEngine({
    state: durable.state,
    clock,
    journal,
    outbox,
    execute: (command) => executor.execute(command),
    onRecords: (records) => {
      options.onRecords?.(records);
      if (!records.some(({ action }) => action === "routine.finished")) return;
      void tidy();
      void prune(options, engine.state, records);
    },
    onFatal: options.onFatal,
  });
  const { runtimeDir, isolation } = options;
  const sockets = createRunSockets({ runtimeDir, isolation, engine: () => engine, log });
  /** Of runs that are over for good, nothing has to be known any more. */
  const tidy = async () => {
    try {
      await sockets.keep(activeRuns(engine.state));
      await services.keep(activeRuns(engine.state));
    } catch (error) {
      log(`tidying up after runs of routines failed: ${messageOf(error)}`);
    }
  };
  const survey = async () => {
    const takenAt = clock.now().mono;
    try {
      const alive = await services.list();
      const { state } = await engine.ask({ type: "runs", runs: alive, takenAt });
      // Those that an earlier watchd has started speak to us from now on.
      for (const name of alive) if (runOf(state, name) !== undefined) await sockets.open(name);
      await tidy();
    } catch (error) {
      log(`looking at the runs of routines failed: ${messageOf(error)}`);
    }
  };
  const executor: RoutineExecutor = createRoutineExecutor({
    services,
    sockets,
    stateDir,
    isolation,
    routines,
    state: () => engine.state,
    dispatch: (event) => engine.dispatch(event),
    survey,
  });
  services.onExit(({ routine, run, attempt, cause }) => {
    // What is stopped with everything else has not failed.
    const why = executor.draining ? ({ kind: "stopped", inSwitch: false } as const) : cause;
    engine.dispatch({ type: "exited", routine, run, attempt, cause: why });
  });
  const now = () => clock.now().wall;
  const triggers = new Triggers({ engine, stateDir, ledgerSocket: options.ledgerSocket, now, log });
  engine.dispatch({ type: "boot", bootId: clock.bootId });
  outbox.start();
  const memory = {
    services,
    routines,
    state: () => engine.state,
    note: (record: LedgerRecord) => engine.note(record),
    now,
  };
  const timers = [
    setInterval(() => {
      void survey();
      triggers.remember();
      void triggers.follow(routines());
    }, surveyEveryMs),
    setInterval(() => {
      watchMemory(memory).catch((error) => log(`sampling memory of routines failed: ${messageOf(error)}`));
    }, memoryEveryMs),
  ];
  return {
    engine,
    triggers,
    survey,
    async drain(atOnce) {
      await triggers.close();
      await executor.drain(atOnce);
      await survey();
      await outbox.settle(2_000);
    },
    async close() {
      timers.forEach(clearInterval);
      await triggers.close();
      await engine.ask({ type: "tick" });
      await sockets.close();
      await outbox.settle(1_000);
      engine.close();
      await outbox.close();
      await journal.close();
    },
  };
}

async function recover(journal: Journal): Promise<DurableRoutines> {
  try {
    const durable =
      journal.recovered === null
        ? ({
            schemaVersion: 1,
            state: initialRoutines(randomBytes(5).toString("hex")),
            nextEntry: 1,
            waiting: [],
          } as const)
        : recoverRoutines(journal.recovered);
    await journal.snapshot(encodeRoutines(durable));
    return durable;
  } catch (error) {
    await journal.close();
    throw error;
  }
}

function requestsOf({ routines }: RoutinesState): ReadonlySet<string> {
  const firings = routines
    .active()
    .flatMap(([, { delayed, queue, runs }]) => [
      ...delayed.map(({ firing }) => firing),
      ...queue,
      ...runs.map(({ firing }) => firing),
    ]);
  return new Set(firings.map(({ request }) => request).filter((request) => request !== null));
}

function activeRuns({ routines }: RoutinesState): ReadonlySet<string> {
  return new Set(routines.active().flatMap(([, { runs }]) => runs.map(({ firing }) => firing.id)));
}

/** The files of runs that are long over go as later ones end. */
async function prune(
  { stateDir, log }: RoutinesOptions,
  { routines }: RoutinesState,
  records: readonly LedgerRecord[],
): Promise<void> {
  const finished = records
    .filter(({ action }) => action === "routine.finished")
    .map(({ subject }) => subject);
  for (const routine of new Set(finished)) {
    const active = new Set(routines.get(routine)?.runs.map(({ firing }) => firing.id));
    await pruneRuns(stateDir, routine, active).catch((error) =>
      log(`files of routine ${routine} cannot be removed: ${messageOf(error)}`),
    );
  }
}
