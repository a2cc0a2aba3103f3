import { randomBytes, randomInt } from "node:crypto";
import { messageOf } from "@daruma/base";
import { type Journal, openJournal } from "../journal/journal.ts";
import type { Event } from "../policy/events.ts";
import { isDrained } from "../policy/operator.ts";
import { initialState, type State } from "../policy/state.ts";
import type { Clock, CurrentGeneration, Run, ServiceManager } from "../ports.ts";
import { type Durable, encode, recoverDurable } from "./durable.ts";
import { Engine } from "./engine.ts";
import { createExecutor, type World } from "./executor.ts";
import { type LedgerPort, Outbox } from "./outbox.ts";

export interface SupervisorOptions {
  readonly world: World;
  readonly clock: Clock;
  readonly journalDir: string;
  readonly connectLedger: () => Promise<LedgerPort>;
  readonly log: (message: string) => void;
  /** The journal failed: this watchd must end, so that a fresh one can start from what is durable. */
  readonly onFatal: (error: unknown) => void;
}

const surveyEveryMs = 5_000;
const memoryEveryMs = 1_000;

export interface Supervisor {
  readonly state: State;
  readonly current: CurrentGeneration | null;
  readonly runs: ReadonlyMap<string, Run>;
  readonly outbox: Outbox;
  dispatch(event: Event): void;
  until(condition: (state: State) => boolean): Promise<State>;
  /** Asks which generation is current, now. */
  refresh(): Promise<void>;
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
  const durable = journal.recovered === null ? firstState(clock) : recoverDurable(journal.recovered);
  await journal.snapshot(encode(durable));
  const outbox = new Outbox({
    epoch: durable.state.epoch,
    connect: options.connectLedger,
    nextEntry: durable.nextEntry,
    waiting: durable.waiting,
    wallNow: () => clock.now().wall,
    log: options.log,
  });
  let current: CurrentGeneration | null = null;
  const look = async () => {
    const [now, knownGood] = [await world.generations.current(), await world.generations.knownGood()];
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
  });
  const engine = new Engine({
    state: durable.state,
    clock,
    journal,
    outbox,
    execute,
    onFatal: options.onFatal,
  });
  const survey = createSurvey(world.services, clock, (event) => engine.dispatch(event));

  engine.dispatch({ type: "boot", bootId: clock.bootId });
  engine.note({
    action: "watchd.start",
    subject: "watchd",
    at: clock.now().wall,
    severity: "info",
    details: { pid: process.pid, recovered: journal.recovered !== null },
  });
  outbox.start();
  world.services.onExit((exit) => engine.dispatch({ type: "exited", ...exit }));
  await refresh();
  await survey.take();
  const background = startBackground(options, engine, survey, refresh);
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
    refresh,
    drain: async () => {
      engine.dispatch({ type: "drain" });
      await engine.until(isDrained);
      await outbox.settle(2_000);
    },
    close: async () => {
      background.stop();
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

interface Survey {
  /** What was alive when last looked at, and what has been started since. */
  readonly runs: ReadonlyMap<string, Run>;
  add(run: Run): void;
  take(): Promise<void>;
}

function createSurvey(services: ServiceManager, clock: Clock, dispatch: (event: Event) => void): Survey {
  let runs = new Map<string, Run>();
  return {
    add: (run) => {
      runs.set(run.runId, run);
    },
    get runs() {
      return runs;
    },
    take: async () => {
      const takenAt = clock.now().mono;
      const alive = await services.list();
      runs = new Map(alive.map((run) => [run.runId, run]));
      dispatch({ type: "runs", runs: alive, takenAt });
    },
  };
}

/** Whatever edges miss, these find. */
function startBackground(
  options: SupervisorOptions,
  engine: Engine,
  survey: Survey,
  refresh: () => Promise<void>,
): { stop(): void } {
  const { world, log } = options;
  const guarded = (what: string, task: () => Promise<void>) => {
    let running = false;
    return () => {
      if (running) return;
      running = true;
      task()
        .catch((error) => log(`${what} failed: ${messageOf(error)}`))
        .finally(() => {
          running = false;
        });
    };
  };
  const onSwitch = guarded("reading the current generation", refresh);
  const reconcile = guarded("the survey", async () => {
    await refresh();
    await survey.take();
  });
  const sample = guarded("sampling memory", () => sampleMemory(world.services, engine));
  world.generations.onSwitch(onSwitch);
  const timers = [setInterval(reconcile, surveyEveryMs), setInterval(sample, memoryEveryMs)];
  return { stop: () => timers.forEach(clearInterval) };
}

async function sampleMemory(services: ServiceManager, engine: Engine): Promise<void> {
  const limited = Object.entries(engine.state.agents).flatMap(([agent, { run, policy }]) =>
    run === null || policy.limits.memoryBytes === null ? [] : [{ agent, runId: run.runId }],
  );
  if (limited.length === 0) return;
  const used = await services.memory(limited.map((entry) => entry.runId));
  for (const { agent, runId } of limited) {
    const bytes = used.get(runId);
    if (bytes !== undefined) engine.dispatch({ type: "memory", agent, runId, bytes });
  }
}
