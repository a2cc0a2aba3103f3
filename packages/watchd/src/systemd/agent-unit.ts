import { messageOf } from "@daruma/base";
import type { StopPolicy } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import type { ExitCause, Run, StartRequest } from "../ports.ts";
import { type Binding, bind, see } from "./binding.ts";
import { Delayed } from "./delayed.ts";
import { awaitsRestart, isAlive, type UnitFacts } from "./facts.ts";
import { Remains } from "./remains.ts";
import { Serial } from "./serial.ts";
import { unitOf } from "./site.ts";
import { startFailure } from "./start-failure.ts";
import { causeOf, type Ends, endOf } from "./traces.ts";
import { stopSlackMs, stopWithinMs, type UnitContext } from "./unit-context.ts";
import { UnitStarter } from "./unit-starter.ts";

/**
 * The unit of one agent. What is done to it is done one thing after the other, so that what is seen of it is never older
 * than what was done last.
 */
export class AgentUnit {
  readonly agent: string;
  readonly #unit: string;
  readonly #context: UnitContext;
  #binding: Binding | null;
  readonly #serial = new Serial();
  /** The core decides when it is started again; systemd would not wait for that longer than RestartSec=. */
  readonly #holding: Delayed;
  readonly #awaitingTrace: Delayed;
  #lookQueued = false;
  #controlGroup = "";
  readonly #remains: Remains;
  readonly #starter: UnitStarter;
  /** The last that we have asked to stop: it is over once nothing is left of it. */
  #stopping = "";
  /** The last that systemd told of. */
  #invocation = "";
  /** The last that was told of as being asked to stop. */
  #asked = "";
  #closed = false;

  constructor(agent: string, context: UnitContext) {
    this.agent = agent;
    this.#unit = unitOf(agent);
    this.#context = context;
    this.#remains = new Remains(context.cgroupRoot);
    this.#starter = new UnitStarter({
      agent,
      unit: this.#unit,
      context,
      remains: this.#remains,
      facts: () => this.#facts(),
      onGivenUp: (facts) => this.#see(facts),
      known: () => [this.#binding?.invocation, this.#trace()?.invocation, this.#invocation],
    });
    this.#binding = context.files.found.get(agent) ?? null;
    this.#awaitingTrace = new Delayed(context.traceWithinMs, () => this.look());
    this.#holding = new Delayed(context.holdAfterMs, () => {
      this.#serial.run(() => this.#hold()).catch((error) => this.#failed("holding", error));
    });
  }

  /** Of what is known of it: see `take`. */
  get age(): number {
    return this.#serial.age;
  }

  get busy(): boolean {
    return this.#serial.busy;
  }

  get run(): Run | null {
    return this.#binding === null ? null : runOf(this.agent, this.#binding);
  }

  /** Of the run that is alive; "" while there is none. */
  get controlGroup(): string {
    return this.#controlGroup;
  }

  /** Takes in facts that were asked for at `age`; without effect if something has happened since. */
  take(facts: UnitFacts, age: number): void {
    if (age !== this.age || this.busy) return;
    this.#note(facts);
    this.#see(facts);
  }

  /** Something may have happened. Asked for while it waits to be done, it is done once. */
  look(): void {
    if (this.#lookQueued) return;
    this.#lookQueued = true;
    this.#serial
      .run(async () => {
        this.#lookQueued = false;
        await this.#look();
      })
      .catch((error) => this.#failed("looking at", error));
  }

  /** Its control group is empty: the hook's trace will tell, unless the hook was killed along with it. */
  emptied(): void {
    this.#awaitingTrace.ask();
  }

  /** A hook has left something. Of a run that is over and told of, it is nothing new; and half a line says nothing yet. */
  traced(): void {
    const { traces } = this.#context;
    const bound = this.#binding?.invocation;
    const exit = this.#trace();
    if (bound === undefined) {
      if (exit?.invocation !== this.#invocation) this.#awaitingTrace.ask();
      return;
    }
    const asked = traces.askedOf(this.agent) === bound && this.#asked !== bound;
    if (exit?.invocation === bound || asked) this.look();
    else this.#awaitingTrace.ask();
  }

  start(request: StartRequest): Promise<Run> {
    return this.#serial.run(() => this.#start(request));
  }

  stop(runId: string, policy: StopPolicy): Promise<{ readonly forced: boolean }> {
    return this.#serial.run(() => this.#stop(runId, policy));
  }

  close(): void {
    this.#closed = true;
    this.#holding.callOff();
    this.#awaitingTrace.callOff();
  }

  async #look(): Promise<void> {
    const ended = this.#binding !== null && this.#trace()?.invocation === this.#binding.invocation;
    // The trace alone tells that it has ended and how, without asking systemd.
    this.#see(ended ? null : await this.#facts());
  }

  async #start({ agent, runId, manifest }: StartRequest): Promise<Run> {
    this.#holding.callOff();
    this.#awaitingTrace.callOff();
    const { ok, message, facts, isNew, isBarred } = await this.#starter.start(manifest);
    if (facts !== null && (isAlive(facts) || (ok && isNew))) {
      const binding = bind(runId, facts, this.#context.surroundings());
      this.#replace(binding, facts);
      // It may have ended while we looked; then whoever asked hears first that it was there.
      if (!isAlive(facts) || this.#trace()?.invocation === facts.invocation) setImmediate(() => this.look());
      return runOf(agent, binding);
    }
    this.#see(facts);
    if (isBarred)
      throw watchdErrors.make("WATCHD_E_STOPPED_BY_PERSON", `agent ${agent}: a person has stopped it`);
    // Not even begun: a job that was cancelled, a systemd that does not answer. That says nothing about the agent.
    if (!isNew || facts === null) {
      const text = `agent ${agent}: systemd has not started ${this.#unit}: ${message || "nothing says why"}`;
      throw watchdErrors.make("WATCHD_E_START", text, { where: this.#unit });
    }
    throw startFailure({ noun: "agent", name: agent, unit: this.#unit }, manifest, facts, message);
  }

  /** What ran before has ended without anybody seeing it, unless it goes on under the new id. */
  #replace(binding: Binding, facts: UnitFacts): void {
    const before = this.#binding;
    const ends = this.#ends();
    this.#settle(binding);
    this.#watch(facts);
    if (before === null || before.invocation === binding.invocation) return;
    const cause = causeOf(before.invocation, ends, facts);
    this.#tellExit(before, cause, facts);
  }

  async #stop(runId: string, policy: StopPolicy): Promise<{ readonly forced: boolean }> {
    const { systemctl } = this.#context;
    const binding = this.#binding;
    if (binding?.runId !== runId) return { forced: false };
    // systemd may have begun another run in its place, which nobody has asked to stop.
    this.#see(await this.#facts());
    if (this.#binding?.runId !== runId) return { forced: false };
    this.#stopping = binding.invocation;
    const stopped = await systemctl.stop(this.#unit, stopWithinMs(policy));
    const facts = await this.#facts();
    const left = await this.#remains.told(facts);
    this.#see(facts);
    if (this.#binding?.invocation === binding.invocation)
      throw new Error(stopped.message || (left ?? `${this.#unit} is still there`));
    const trace = this.#trace();
    const own = trace?.invocation === binding.invocation ? trace.result : facts?.result;
    return { forced: own === "timeout" };
  }

  #see(facts: UnitFacts | null): void {
    // Nobody would hear of an end that is seen now; the next watchd has to see it.
    if (this.#closed) return;
    const before = this.#binding;
    if (before !== null && before.invocation === this.#stopping && this.#remains.linger(facts)) return;
    const sight = { facts, ...this.#ends() };
    const seen = see(before, sight, this.#context.surroundings());
    if (seen.binding !== before) this.#settle(seen.binding);
    if (facts !== null && seen.binding !== null) this.#watch(facts);
    // While its hook runs, systemd has yet to decide whether it restarts it.
    const mayRestart = seen.ended !== null && seen.binding === null && before?.invocation !== this.#stopping;
    if (mayRestart || (facts !== null && awaitsRestart(facts))) this.#holdLater();
    if (seen.ended !== null && before !== null) this.#tellExit(before, seen.ended.cause, facts);
    if (seen.found) this.#context.onFound();
    if (seen.binding !== null && sight.asked === seen.binding.invocation) this.#tellAsked(seen.binding);
  }

  #tellExit({ runId, invocation }: Binding, cause: ExitCause, facts: UnitFacts | null): void {
    const { traces, surroundings, onExit } = this.#context;
    const leftAt = this.#trace()?.invocation === invocation ? traces.leftAt(this.agent) : null;
    onExit({ agent: this.agent, runId, cause, at: endOf(invocation, facts, leftAt, surroundings()) });
  }

  #tellAsked({ runId, invocation }: Binding): void {
    if (this.#asked === invocation) return;
    this.#asked = invocation;
    this.#context.onAsked({ agent: this.agent, runId });
  }

  #ends(): Ends {
    const { traces, isSwitching } = this.#context;
    return { exit: this.#trace(), asked: traces.askedOf(this.agent), inSwitch: isSwitching() };
  }

  #settle(binding: Binding | null): void {
    this.#serial.touch();
    this.#awaitingTrace.callOff();
    // Each run has a control group of its own: its path is the same, but it is made anew.
    if (binding?.invocation !== this.#binding?.invocation) {
      this.#context.edges.unwatchGroup(this.agent);
      this.#controlGroup = "";
    }
    this.#binding = binding;
    if (binding === null) {
      this.#context.files.drop(this.agent);
    } else {
      this.#holding.callOff();
      this.#context.held.drop(this.agent);
      this.#context.files.keep(this.agent, binding);
    }
  }

  #watch({ controlGroup }: UnitFacts): void {
    if (controlGroup === "" || controlGroup === this.#controlGroup) return;
    this.#controlGroup = controlGroup;
    this.#context.edges.watchGroup(this.agent, controlGroup);
  }

  #holdLater(): void {
    if (!this.#closed) this.#holding.ask();
  }

  async #hold(): Promise<void> {
    const { systemctl, held } = this.#context;
    const facts = await this.#facts();
    if (facts === null || !awaitsRestart(facts)) return this.#see(facts);
    // We start nothing in mid-switch either: then systemd is all that there is.
    if (this.#context.isSwitching()) return this.#holdLater();
    held.keep(this.agent);
    await systemctl.stop(this.#unit, stopSlackMs);
    this.#see(await this.#facts());
  }

  /** A person has stopped it: what waits to be restarted by systemd does so no longer (the unit's condition is not asked). */
  endWaiting(): Promise<void> {
    return this.#serial.run(async () => {
      const facts = await this.#facts();
      if (facts !== null && awaitsRestart(facts)) await this.#context.systemctl.stop(this.#unit, stopSlackMs);
      this.#context.held.drop(this.agent);
    });
  }

  #failed(what: string, error: unknown): void {
    if (!this.#closed) this.#context.log(`${what} ${this.#unit}: ${messageOf(error)}`);
  }

  #trace() {
    return this.#context.traces.exitOf(this.agent);
  }

  async #facts(): Promise<UnitFacts | null> {
    const [facts] = await this.#context.systemctl.show([this.#unit]);
    if (facts !== undefined) this.#note(facts);
    return facts ?? null;
  }

  #note(facts: UnitFacts): void {
    this.#invocation = facts.invocation;
    this.#remains.note(facts);
  }
}

function runOf(agent: string, { runId, digest, pid, startedAt }: Binding): Run {
  return { agent, runId, digest, pid, startedAt };
}
