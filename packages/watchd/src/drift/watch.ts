import { messageOf } from "@daruma/base";
import type { DriftPolicy } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import type { LedgerRecord } from "../policy/events.ts";
import type { Clock, Generations } from "../ports.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { type Difference, isCorrectable, withoutIgnored } from "./difference.ts";
import { createHelpers } from "./helpers.ts";
import { createHints } from "./hints.ts";
import { begin, type DriftState, type Initiator, initialDrift, judge, went } from "./judge.ts";
import type { Machine, Seen, Subject } from "./machine.ts";
import type { DriftMemory } from "./memory.ts";
import { type DriftReport, reportOf } from "./report.ts";

export interface DriftOptions {
  readonly supervisor: Pick<Supervisor, "current" | "runs" | "state" | "dispatch" | "note" | "until">;
  readonly generations: Pick<Generations, "switching" | "onSwitch">;
  readonly machine: Machine;
  readonly memory: DriftMemory;
  readonly clock: Clock;
  readonly log: (message: string) => void;
}

export interface Drift {
  /** Something may have changed. */
  hint(directory?: string): void;
  /** Looks now. @throws WATCHD_E_DRIFT_BUSY */
  report(): Promise<DriftReport>;
  /** Puts right what there is, whatever the policy says, and looks again. @throws WATCHD_E_DRIFT_BUSY */
  fix(): Promise<DriftReport>;
  close(): Promise<void>;
}

/** Between a hint and the look: what changes one file often changes another. */
const afterHintMs = 250;
/** Hints do not make it look more often than this. */
const leastBetweenMs = 1_000;
/** Until a first sight is looked at again. */
const confirmMs = 400;
/** Between looks where nobody wants any, and while a switch is under way. */
const idleMs = 5_000;

/** Looks at the machine by the clock and at hints, and has what differs told and put right as the policy says. */
export async function openDrift(options: DriftOptions): Promise<Drift> {
  const drift = new DriftWatch(options, await options.memory.load());
  drift.start();
  return drift;
}

class DriftWatch implements Drift {
  readonly #options: DriftOptions;
  readonly #hints = createHints((directory) => this.hint(directory));
  #state: DriftState;
  #seen: Seen | null = null;
  #lookedAt: number | null = null;
  /** Monotonic instant of the last look. */
  #lookedMono = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #dueAt = Number.POSITIVE_INFINITY;
  /** One at a time: a look in the midst of a correction would see half of it. */
  #work: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: DriftOptions, state: DriftState) {
    this.#options = options;
    this.#state = state ?? initialDrift;
  }

  start(): void {
    this.#options.generations.onSwitch(() => this.#wake(idleMs));
    this.#wake(confirmMs);
  }

  hint(directory?: string): void {
    if (directory !== undefined) this.#options.machine.onHint(directory);
    const since = performance.now() - this.#lookedMono;
    this.#wake(Math.max(afterHintMs, leastBetweenMs - since));
  }

  report(): Promise<DriftReport> {
    return this.#alone(async () => {
      await this.#confirmed();
      return this.#report();
    });
  }

  fix(): Promise<DriftReport> {
    return this.#alone(async () => {
      const subject = await this.#confirmed();
      const due = Object.values(this.#state.known).flatMap(({ difference, seen }) =>
        seen > 0 && isCorrectable(difference) ? [difference] : [],
      );
      if (due.length > 0) {
        await this.#correct(due, subject, "operator");
        await this.#confirmed();
      }
      return this.#report();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#hints.close();
    await this.#options.machine.close();
    await this.#work.catch(() => undefined);
  }

  /** Looks in `delayMs` at the latest. */
  #wake(delayMs: number): void {
    const at = performance.now() + delayMs;
    if (this.#closed || at >= this.#dueAt) return;
    this.#dueAt = at;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#dueAt = Number.POSITIVE_INFINITY;
      void this.#alone(() => this.#turn())
        .catch((error) => this.#options.log(`looking for drift failed: ${messageOf(error)}`))
        .finally(() => this.#wake(this.#policy()?.everyMs ?? idleMs));
    }, delayMs).unref();
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #turn(): Promise<void> {
    const subject = await this.#subject();
    if (subject === null) return this.#wake(idleMs);
    const { unconfirmed, due } = await this.#look(subject);
    if (unconfirmed) this.#wake(confirmMs);
    if (due.length === 0) return;
    await this.#correct(due, subject, "policy");
    this.#wake(0);
  }

  /** Looks until nothing is seen for the first time any more; two looks do, unless things change that fast. */
  async #confirmed(): Promise<Subject> {
    for (let looks = 0; ; looks += 1) {
      const subject = await this.#subject();
      if (subject === null) throw busy();
      const { unconfirmed } = await this.#look(subject);
      if (!unconfirmed || looks >= 3) return subject;
      await new Promise((resolve) => setTimeout(resolve, confirmMs));
    }
  }

  /** Null where nobody wants a look, or nothing can be said now: in mid-switch the machine may be of either generation. */
  async #subject(): Promise<Subject | null> {
    const { supervisor, generations } = this.#options;
    const { current, state, runs } = supervisor;
    if (this.#closed || current === null || current.manifest.drift === undefined) return null;
    if (state.rollback !== null || state.draining || (await generations.switching())) return null;
    return { current, runs };
  }

  async #look(subject: Subject): Promise<{ unconfirmed: boolean; due: readonly Difference[] }> {
    const { machine, clock } = this.#options;
    const policy = this.#policy();
    const seen = await machine.look(subject);
    const after = await this.#subject();
    // A switch began meanwhile: what was seen is half of it.
    if (policy === undefined || after === null || after.current.path !== subject.current.path)
      return { unconfirmed: true, due: [] };
    const { wall } = clock.now();
    const look = {
      generation: subject.current.path,
      differences: withoutIgnored(seen.differences, policy.ignore),
      unseen: [...seen.unseen.keys()],
    };
    const { state, records, due, unconfirmed } = judge(this.#state, look, policy, wall);
    await this.#take(state, records);
    this.#seen = seen;
    this.#lookedAt = wall;
    this.#lookedMono = performance.now();
    this.#hints.follow(seen.directories);
    return { unconfirmed, due };
  }

  async #correct(due: readonly Difference[], subject: Subject, by: Initiator): Promise<void> {
    const { machine, supervisor, clock } = this.#options;
    const { state, records } = begin(this.#state, due, by, clock.now().wall);
    // The count first: after a crash in between, one is counted that was not made, never the other way round.
    await this.#options.memory.save(state);
    await this.#take(state, records);
    if ((await this.#subject())?.current.path !== subject.current.path) return;
    const problems = await machine
      .correct(due, subject, createHelpers(supervisor))
      .catch((error) => [messageOf(error)]);
    this.#state = went(this.#state, problems);
    await this.#options.memory.save(this.#state);
  }

  /** Entries are in watchd's journal before the state says that they were told: told twice is better than never. */
  async #take(state: DriftState, records: readonly LedgerRecord[]): Promise<void> {
    await Promise.all(records.map((record) => this.#options.supervisor.note(record)));
    this.#state = state;
    await this.#options.memory.save(state);
  }

  #policy(): DriftPolicy | undefined {
    return this.#options.supervisor.current?.manifest.drift;
  }

  async #report(): Promise<DriftReport> {
    const { current } = this.#options.supervisor;
    const policy = this.#policy();
    if (current === null || policy === undefined || this.#seen === null) throw busy();
    return reportOf({
      current,
      policy,
      state: this.#state,
      seen: this.#seen,
      lookedAt: this.#lookedAt,
      store: await this.#options.machine.store(),
    });
  }
}

function busy(): Error {
  return watchdErrors.make(
    "WATCHD_E_DRIFT_BUSY",
    "nothing can be compared now: nothing is deployed, or a switch is under way",
  );
}
