import { messageOf } from "@daruma/base";
import type { StopPolicy } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import type { ExitCause } from "../ports.ts";
import type { RunName, RunStart } from "../routines/services.ts";
import { Delayed } from "./delayed.ts";
import type { Edges } from "./edges.ts";
import { hasProcesses, type UnitFacts } from "./facts.ts";
import { Remains } from "./remains.ts";
import type { RoutineFiles, RunRecord } from "./routine-files.ts";
import { Serial } from "./serial.ts";
import { routineUnitOf } from "./site.ts";
import { startFailure } from "./start-failure.ts";
import type { Systemctl } from "./systemctl.ts";
import { causeOf, type Traces, traceWithinMs } from "./traces.ts";
import { stopWithinMs } from "./unit-context.ts";

/** What the unit of a run works with, and whom it tells. */
export interface RoutineContext {
  readonly systemctl: Systemctl;
  readonly traces: Traces;
  readonly edges: Edges;
  readonly files: RoutineFiles;
  readonly cgroupRoot: string;
  readonly isSwitching: () => boolean;
  readonly onExit: (exit: RunName & { readonly attempt: number | null; readonly cause: ExitCause }) => void;
  readonly log: (message: string) => void;
}

/**
 * The unit of one run of a routine, `daruma-routine-NAME@RUN`: each attempt is an invocation of it. What is done to it is done
 * one thing after the other. systemd forgets such a unit as soon as it is inactive; how it ended is in the trace of its hook,
 * which stays until the next attempt, or until nobody asks for the run any more.
 */
export class RoutineUnit {
  readonly name: RunName;
  readonly key: string;
  readonly unit: string;
  readonly #context: RoutineContext;
  readonly #serial = new Serial();
  readonly #awaitingTrace = new Delayed(traceWithinMs, () => this.look());
  /** Null as long as there is nothing of it. */
  #record: RunRecord | null;
  #isOver = false;
  #isStarting = false;
  /** We have asked it to stop: that it was asked to is then no news. */
  #isStopping = false;
  #controlGroup = "";
  readonly #remains: Remains;
  #closed = false;

  constructor(name: RunName, context: RoutineContext) {
    this.name = name;
    this.key = `${name.routine}@${name.run}`;
    this.unit = routineUnitOf(name);
    this.#context = context;
    this.#remains = new Remains(context.cgroupRoot);
    this.#record = context.files.found.get(this.key) ?? null;
  }

  /** Of what is known of it: see `take`. */
  get age(): number {
    return this.#serial.age;
  }

  get isAlive(): boolean {
    return this.#record !== null && !this.#isOver && !this.#isStarting;
  }

  /** Whether somebody here has ever started or found it. */
  get isKnown(): boolean {
    return this.#record !== null;
  }

  /** Whether nothing is left of it but what tells how it ended. */
  get isOver(): boolean {
    return !this.isAlive && !this.#isStarting;
  }

  /** Takes in facts that were asked for at `age`; without effect if something has happened since. */
  take(facts: UnitFacts, age: number): void {
    if (age !== this.age || this.#serial.busy) return;
    this.#remains.note(facts);
    this.#see(facts);
  }

  /** Something may have happened. */
  look(): void {
    this.#serial
      .run(async () => {
        // The trace alone tells that it has ended and how, without asking systemd.
        if (this.isAlive) this.#see(this.#ownTrace() === null ? await this.#facts() : null);
      })
      .catch((error) => this.#failed("looking at", error));
  }

  /** Its control group is empty: the hook's trace will tell, unless the hook was killed along with it. */
  emptied(): void {
    this.#awaitingTrace.ask();
  }

  /** A hook has left something. Half a line says nothing yet. */
  traced(): void {
    if (this.#isOver) return;
    if (this.#isStarting || this.#ownTrace() !== null) this.look();
    else this.#awaitingTrace.ask();
  }

  start(request: RunStart): Promise<void> {
    return this.#serial.run(async () => {
      this.#isStarting = true;
      try {
        await this.#start(request);
      } finally {
        this.#isStarting = false;
      }
    });
  }

  stop(policy: StopPolicy): Promise<void> {
    return this.#serial.run(async () => {
      if (!this.isAlive) return;
      this.#isStopping = true;
      const { message } = await this.#context.systemctl.stop(this.unit, stopWithinMs(policy));
      const facts = await this.#facts();
      const left = await this.#remains.told(facts);
      this.#see(facts);
      if (this.isAlive) throw new Error(message || (left ?? `${this.unit} is still there`));
    });
  }

  /** Nobody will ask any more how it ended. */
  forget(): void {
    this.#context.files.drop(this.key);
    this.#context.traces.drop(this.key);
  }

  close(): void {
    this.#closed = true;
    this.#awaitingTrace.callOff();
  }

  async #start({ attempt, manifest, environment }: RunStart): Promise<void> {
    const { systemctl, files, traces } = this.#context;
    await this.#checkDefinition(manifest.digest);
    if (this.#remains.linger(null)) await this.#remains.refuse(await this.#facts(), this.key, this.unit);
    traces.drop(this.key);
    files.tell(this.key, environment);
    files.keep(this.key, { attempt, invocation: null });
    this.#record = { attempt, invocation: null };
    this.#isOver = false;
    this.#isStopping = false;
    const { ok, message } = await systemctl.start(this.unit);
    const facts = await this.#facts();
    const trace = this.#ownTrace();
    const isThere = facts !== null && facts.invocation !== "" && hasProcesses(facts);
    if (!isThere && (!ok || trace === null)) {
      this.#isOver = true;
      void systemctl.resetFailed(this.unit);
      const what = { noun: "routine", name: this.key, unit: this.unit };
      if (facts !== null) throw startFailure(what, manifest, facts, message);
      throw watchdErrors.make("WATCHD_E_START", `${this.unit}: ${message || "systemd says nothing of it"}`);
    }
    this.#bind(trace?.invocation ?? facts?.invocation ?? "");
    if (isThere) this.#watch(facts);
    // It may have ended while we looked; then whoever asked hears first that it was there.
    if (!isThere || trace !== null) setImmediate(() => this.look());
  }

  /**
   * systemd must go by this generation's definition: a switch may have been cut off, or have begun.
   *
   * @throws WATCHD_E_OUTDATED, AGENT_E_START_FAILED
   */
  async #checkDefinition(digest: string): Promise<void> {
    let facts = await this.#facts();
    if (facts !== null && hasProcesses(facts)) {
      const text = `${this.unit} runs already, and nobody here has started it`;
      throw watchdErrors.make("AGENT_E_START_FAILED", text, { where: this.unit });
    }
    if (facts?.digest === digest && !facts.needsReload) return;
    await this.#context.systemctl.reload();
    facts = await this.#facts();
    if (facts?.digest === digest) return;
    const none = facts === null || facts.digest === "";
    const text = `systemd has ${none ? "no" : "another"} definition of ${this.unit}${none ? "" : " than this generation"}`;
    throw watchdErrors.make("WATCHD_E_OUTDATED", text, { where: this.unit });
  }

  #see(facts: UnitFacts | null): void {
    // Nobody would hear of an end that is seen now; the next watchd has to see it.
    if (this.#closed || this.#isOver) return;
    // What was asked to stop is over once nothing is left of it.
    if (this.#isStopping && this.#remains.linger(facts)) return;
    const trace = this.#ownTrace();
    const isOwn = facts !== null && (this.#record?.invocation ?? facts.invocation) === facts.invocation;
    if (trace === null && facts !== null && isOwn && facts.invocation !== "" && hasProcesses(facts)) {
      if (this.#record?.invocation !== facts.invocation) this.#bind(facts.invocation);
      this.#watch(facts);
      return;
    }
    if (this.#record === null) return;
    const { attempt } = this.#record;
    const invocation = this.#record.invocation ?? trace?.invocation ?? null;
    this.#isOver = true;
    this.#awaitingTrace.callOff();
    this.#context.edges.unwatchGroup(this.key);
    this.#controlGroup = "";
    // It was about to be started when watchd ended, and never was.
    if (invocation === null) return;
    const cause = this.#causeOf(invocation, facts);
    if (trace?.result !== "success") void this.#context.systemctl.resetFailed(this.unit);
    this.#context.onExit({ ...this.name, attempt, cause });
  }

  #causeOf(invocation: string, facts: UnitFacts | null): ExitCause {
    const { traces, isSwitching } = this.#context;
    const asked = this.#isStopping ? null : traces.askedOf(this.key);
    return causeOf(invocation, { exit: traces.exitOf(this.key), asked, inSwitch: isSwitching() }, facts);
  }

  #bind(invocation: string): void {
    this.#record = { attempt: this.#record?.attempt ?? null, invocation };
    this.#context.files.keep(this.key, this.#record);
  }

  /** The trace of this attempt: those of earlier ones are removed before it is started. */
  #ownTrace() {
    const trace = this.#context.traces.exitOf(this.key);
    const own = this.#record?.invocation ?? trace?.invocation;
    return trace?.invocation === own ? trace : null;
  }

  #watch({ controlGroup }: UnitFacts): void {
    if (controlGroup === "" || controlGroup === this.#controlGroup) return;
    this.#controlGroup = controlGroup;
    this.#context.edges.watchGroup(this.key, controlGroup);
  }

  async #facts(): Promise<UnitFacts | null> {
    const [facts] = await this.#context.systemctl.show([this.unit]);
    if (facts !== undefined) this.#remains.note(facts);
    return facts ?? null;
  }

  #failed(what: string, error: unknown): void {
    if (!this.#closed) this.#context.log(`${what} ${this.unit}: ${messageOf(error)}`);
  }
}
