import { randomBytes, randomInt } from "node:crypto";
import { messageOf } from "@daruma/base";
import { type Journal, openJournal } from "../journal/journal.ts";
import type { Event, LedgerRecord } from "../policy/events.ts";
import { isDrained } from "../policy/operator.ts";
import { initialState, type State } from "../policy/state.ts";
import type { Clock, CurrentGeneration, Run } from "../ports.ts";
import type { DownUpstreams } from "../upstreams.ts";
import { startBackground } from "./background.ts";
import { type Durable, encode, recoverDurable } from "./durable.ts";
import { createEngine } from "./engine.ts";
import { createExecutor, type World } from "./executor.ts";
import { type LedgerPort, Outbox, type OutboxOptions } from "./outbox.ts";
import { createSurvey } from "./survey.ts";
import { createSwitchWait } from "./switch-wait.ts";

const recordedWithinMs = 5_000;

export interface SupervisorOptions {
  readonly world: World;
  readonly clock: Clock;
  readonly journalDir: string;
  readonly connectLedger: () => Promise<LedgerPort>;
  readonly log: (message: string) => void;
  /** The journal failed: this watchd must end, so that a fresh one can start from what is durable. */
  readonly onFatal: (error: unknown) => void;
  readonly hear?: OutboxOptions["hear"];
  /** Called with each state that is durable, before anything comes of it. */
  readonly beforeActing?: (state: State) => Promise<void>;
  /** Called with what each event has come to, and the state after it; for counting. */
  readonly onRecords?: (records: readonly LedgerRecord[], state: State) => void;
  /** Begins to tell which upstreams are down; resolves once that is known as far as it can be. */
  readonly followUpstreams?: (tell: (down: DownUpstreams) => void) => Promise<{ close(): void }>;
  /** Called after each completed look at everything: proof that this watchd does its work. */
  readonly onReconciled?: () => void;
}

export interface Supervisor {
  readonly state: State;
  readonly current: CurrentGeneration | null;
  readonly runs: ReadonlyMap<string, Run>;
  readonly outbox: Outbox;
  dispatch(event: Event): void;
  until(condition: (state: State) => boolean): Promise<State>;
  /** An entry that the core does not make itself; resolves once the journal has it. */
  note(record: LedgerRecord): Promise<void>;
  /** Asks which generation is current, now. */
  refresh(): Promise<void>;
  /** Asks what is alive and what a person has stopped, now. */
  survey(): Promise<void>;
  /** Stops every agent; resolves when nothing runs any more and the ledger has been told, if it listens. */
  drain(): Promise<void>;
  /** Ends watching. Agents keep running, and the next supervisor adopts them. */
  close(): Promise<void>;
}

/** @throws WATCHD_E_ALREADY_RUNNING, WATCHD_E_JOURNAL_* */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const journal = await openJournal({ dir: options.journalDir });
  try {
    return await begin(options, journal);
  } catch (error) {
    await journal.close();
    throw error;
  }
}

async function begin(options: SupervisorOptions, journal: Journal): Promise<Supervisor> {
  const { world, clock } = options;
  const recovered = journal.recovered !== null;
  const durable = journal.recovered === null ? firstState(clock) : recoverDurable(journal.recovered);
  await journal.snapshot(encode(durable));
  const outbox = new Outbox({
    epoch: durable.state.epoch,
    connect: options.connectLedger,
    nextEntry: durable.nextEntry,
    waiting: durable.waiting,
    wallNow: () => clock.now().wall,
    hear: options.hear,
    onReachable: (reachable) => engine.dispatch({ type: "ledger", reachable }),
    log: options.log,
  });
  let current: CurrentGeneration | null = null;
  let isMissed = false;
  const look = async () => {
    const [now, knownGood] = [await world.generations.current(), await world.generations.knownGood()];
    if (now === null && !isMissed)
      options.log("no generation is current: what runs is watched as it was, and nothing else is started");
    isMissed = now === null;
    if (now === null) return;
    current = now;
    engine.dispatch({ type: "generation", current: now, knownGood });
  };
  // One look at a time: of two at once, the older could be told last, and an old generation would seem to have come back.
  let looking: Promise<void> = Promise.resolve();
  const refresh = () => {
    looking = looking.catch(() => undefined).then(look);
    return looking;
  };
  const execute = createExecutor({
    world,
    current: () => current,
    dispatch: (event) => {
      if (event.type === "started") survey.add(event.run);
      engine.dispatch(event);
    },
    refresh,
    afterSwitch: createSwitchWait(world.generations, refresh),
    isRecorded: () => outbox.hasAll(recordedWithinMs),
  });
  const engine = createEngine({
    state: durable.state,
    clock,
    journal,
    outbox,
    execute,
    onFatal: options.onFatal,
    beforeActing: options.beforeActing,
    onRecords: options.onRecords,
  });
  const survey = createSurvey({ world, clock, refresh, dispatch: (event) => engine.dispatch(event) });

  engine.dispatch({ type: "boot", bootId: clock.bootId });
  void engine.note({
    action: "watchd.start",
    subject: "watchd",
    at: clock.now().wall,
    severity: "info",
    details: { pid: process.pid, recovered },
  });
  outbox.start();
  world.services.onExit((exit) => engine.dispatch({ type: "exited", ...exit }));
  world.services.onAsked((run) => engine.dispatch({ type: "stop-asked", ...run }));
  const upstreams = await options.followUpstreams?.((down) => engine.dispatch({ type: "upstreams", down }));
  await refresh();
  // A service manager that is too busy to answer is asked again by the clock; until then nothing is started or stopped.
  await survey.take().catch((error) => options.log(`the first survey failed: ${messageOf(error)}`));
  const background = startBackground({ ...options, engine, survey: survey.take, refresh });
  return {
    get state() {
      return engine.state;
    },
    get current() {
      return current;
    },
    get runs() {
      return survey.runs;
    },
    outbox,
    dispatch: (event) => engine.dispatch(event),
    until: (condition) => engine.until(condition),
    note: (record) => engine.note(record),
    refresh,
    survey: survey.take,
    drain: async () => {
      engine.dispatch({ type: "drain" });
      await engine.until(isDrained);
      await outbox.settle(2_000);
    },
    close: async () => {
      background.stop();
      upstreams?.close();
      await outbox.settle(1_000);
      engine.close();
      await outbox.close();
      await world.services.close();
      await world.generations.close();
      await journal.close();
    },
  };
}

function firstState(clock: Clock): Durable {
  const state = initialState({
    epoch: randomBytes(5).toString("hex"),
    bootId: clock.bootId,
    seed: randomInt(2 ** 32),
  });
  return { state, nextEntry: 1, waiting: [] };
}
