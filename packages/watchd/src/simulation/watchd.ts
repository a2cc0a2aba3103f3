import { own } from "@daruma/base";
import { longestGapMs } from "../policy/dependencies.ts";
import type { Command, DependenciesEvent, Event } from "../policy/events.ts";
import type { Step } from "../policy/policy.ts";
import { initialState, type State } from "../policy/state.ts";
import type { CurrentGeneration, ExitCause, Instant } from "../ports.ts";
import { Hands } from "./hands.ts";
import type { Process } from "./machine.ts";
import { type Core, later, type World } from "./world.ts";

const surveyEveryMs = 5_000;

/** One step that the core has taken, and that became durable before anything came of it. */
export interface Seen {
  readonly before: State;
  readonly event: Event;
  readonly taken: Step;
  readonly now: Instant;
  readonly nextWake: number | null;
  /** Counts the starts of watchd. */
  readonly life: number;
}

/**
 * The supervisor as it is meant to be: hands events to the core one after the other, makes intents durable, then carries
 * them out. It can be killed at any point, and comes back with what its journal holds.
 */
export class Watchd {
  readonly #world: World;
  readonly #core: Core;
  readonly #hands: Hands;
  readonly #see: (seen: Seen) => void;
  #state: State;
  #journal: State;
  #life = 0;
  #alive = false;
  #stalledUntil = 0;
  readonly #heldBack: { readonly event: Event; readonly life: number }[] = [];
  #tick = 0;
  /** Where in the next step with commands watchd will be killed. */
  #doom: "before-journal" | "after-journal" | null = null;
  /** The generation that starts are made from. */
  #told: CurrentGeneration | null = null;
  steps = 0;
  /** Nothing is lost or doubled, and nobody kills watchd any more. */
  sheltered = false;

  constructor(world: World, core: Core, see: (seen: Seen) => void) {
    this.#world = world;
    this.#core = core;
    this.#see = see;
    this.#hands = new Hands(world, this);
    this.#state = initialState({ epoch: "e", bootId: "none", seed: world.random.whole(0, 2 ** 31) });
    this.#journal = this.#state;
    world.machine.onEnd = (process, cause) => this.#noticeEnd(process, cause);
    world.nature.onBeat = ({ run: { agent, runId } }) =>
      this.send({ type: "beat", agent, runId }, world.random.delay(0, 50));
    world.nature.onProgress = ({ count, run: { agent, runId } }) =>
      this.send({ type: "progress", agent, runId, count }, world.random.delay(0, 50));
    world.profile.onSwitch = () => this.#noticeSwitch();
  }

  get state(): State {
    return this.#state;
  }

  get life(): number {
    return this.#life;
  }

  get told(): CurrentGeneration | null {
    return this.#told;
  }

  isAlive(life: number): boolean {
    return this.#alive && life === this.#life;
  }

  /** Comes up: `boot`, what is current, what is alive, and from then on the same again and again. */
  start(): void {
    const { random, machine } = this.#world;
    this.#alive = true;
    this.#life += 1;
    this.#told = null;
    this.#stalledUntil = 0;
    this.#state = JSON.parse(JSON.stringify(this.#journal));
    this.send({ type: "boot", bootId: machine.bootId }, 0);
    this.tellUpstreams();
    this.tellLedger();
    this.#survey(this.#life, random.delay(0, 200));
  }

  /** What egressd sees is told as it changes, before what comes of it. */
  tellUpstreams(): void {
    this.send({ type: "upstreams", down: this.#world.machine.upstreamsDown() }, 0);
  }

  tellLedger(): void {
    this.send({ type: "ledger", reachable: !this.#world.machine.ledgerAway }, 0);
  }

  /** Asks now what the agents declare to need; the answer may take its time. */
  probeDependencies(): void {
    const { machine, random, profile } = this.#world;
    if (!this.#alive) return;
    const at = machine.now.mono;
    const found = Object.entries(profile.current?.manifest.agents ?? {}).flatMap(
      ([agent, { dependencies }]) => {
        if (dependencies === undefined) return [];
        const problem = machine.outageOf(agent)?.shows === "need" ? "connection refused" : null;
        return [{ agent, dependency: "db", problem }];
      },
    );
    if (found.length > 0) this.send({ type: "dependencies", at, found }, random.delay(0, 100));
  }

  /** What cannot be held against an agent, since nobody knows whether what it needs was there, up to the moment of the news. */
  #excuse({ at, found }: DependenciesEvent): void {
    const { machine } = this.#world;
    for (const { agent, problem } of found) {
      const known = own(this.#state.agents, agent);
      const last = known?.reached.db ?? 0;
      if (at > last && (problem !== null || (last > 0 && at - last > longestGapMs)))
        machine.excuseSince(agent, machine.time - (machine.now.mono - last));
    }
  }

  kill(downMs: number): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#hands.drop("watchd");
    later(this.#world, downMs, () => this.start());
  }

  /** The power goes, and comes back. */
  reboot(downMs: number): void {
    const wasAlive = this.#alive;
    this.#alive = false;
    this.#hands.drop("power");
    this.#world.machine.reboot();
    // Without watchd, its start is on the agenda already.
    if (wasAlive) later(this.#world, downMs, () => this.start());
  }

  doom(where: "before-journal" | "after-journal"): void {
    this.#doom = where;
  }

  /** watchd gets no processor time. */
  stall(forMs: number): void {
    this.#stalledUntil = this.#world.machine.time + forMs;
  }

  /** Delivers an event to this watchd `inMs` from now, if it still lives; sometimes twice. */
  send(event: Event, inMs: number): void {
    const life = this.#life;
    later(this.#world, inMs, () => this.#deliver(event, life));
    const { random, climate } = this.#world;
    if (!this.sheltered && canComeTwice(event) && random.chance(climate.doubled)) {
      later(this.#world, inMs + random.delay(0, 3_000), () => this.#deliver(event, life));
    }
  }

  #survey(life: number, inMs: number): void {
    const { random, machine } = this.#world;
    later(this.#world, inMs, () => {
      if (!this.isAlive(life)) return;
      this.refresh(random.delay(0, 50));
      const takenAt = machine.now.mono;
      later(this.#world, random.delay(0, 40), () => {
        const runs = machine.processes.map(({ run }) => run);
        // After the generation, which is asked for first.
        later(this.#world, 50, () => {
          if (!this.isAlive(life)) return;
          this.send({ type: "runs", runs, stopped: [...machine.stopped], takenAt }, random.delay(0, 100));
          this.#measure();
          this.probeDependencies();
        });
      });
      this.#survey(life, surveyEveryMs);
    });
  }

  /** Tells the core what is current at the moment it hears it. */
  refresh(inMs: number, afterwards: () => void = () => {}): void {
    const life = this.#life;
    later(this.#world, inMs, () => {
      const { current, knownGood } = this.#world.profile;
      if (!this.isAlive(life)) return;
      if (current !== null) this.#deliver({ type: "generation", current, knownGood }, life);
      afterwards();
    });
  }

  #measure(): void {
    const { machine } = this.#world;
    const runs = machine.processes
      .filter(({ run }) => Object.hasOwn(this.#state.agents, run.agent))
      .map((process) => {
        const { agent, runId } = process.run;
        return { agent, runId, usage: machine.usageOf(process) };
      });
    if (runs.length > 0) this.send({ type: "usage", at: machine.now.mono, runs }, 1);
  }

  #deliver(event: Event, life: number): void {
    if (!this.isAlive(life)) return;
    const { machine } = this.#world;
    if (machine.time < this.#stalledUntil || this.#heldBack.length > 0) {
      if (this.#heldBack.length === 0) this.#world.agenda.plan(this.#stalledUntil, () => this.#goOn());
      this.#heldBack.push({ event, life });
      return;
    }
    if (event.type === "generation") this.#told = event.current;
    if (event.type === "dependencies") this.#excuse(event);
    const before = this.#state;
    const taken = this.#core.step(before, event, machine.now);
    this.steps += 1;
    const durable = taken.records.length > 0 || taken.commands.some(({ type }) => type !== "probe");
    if (durable && this.#doomed("before-journal")) return;
    this.#state = taken.state;
    if (durable) this.#journal = taken.state;
    const nextWake = this.#core.nextWake(taken.state);
    this.#see({ before, event, taken, now: machine.now, nextWake, life });
    this.#act(taken.commands, durable);
    this.#sleep(nextWake);
  }

  /** After a standstill, what came meanwhile is heard in the order in which it came. */
  #goOn(): void {
    for (const { event, life } of this.#heldBack.splice(0)) this.#deliver(event, life);
  }

  #act(commands: readonly Command[], durable: boolean): void {
    for (const command of commands) this.#hands.take(command, this.#life);
    if (durable) this.#doomed("after-journal");
  }

  #doomed(where: "before-journal" | "after-journal"): boolean {
    if (this.#doom !== where || this.sheltered) return false;
    this.#doom = null;
    this.kill(this.#world.random.delay(20, 8_000));
    return true;
  }

  #sleep(nextWake: number | null): void {
    this.#tick += 1;
    const tick = this.#tick;
    const life = this.#life;
    if (nextWake === null) return;
    const { random, machine } = this.#world;
    const late = random.chance(0.05) ? random.delay(0, 500) : random.whole(0, 2);
    later(this.#world, Math.max(0, nextWake - machine.now.mono) + late, () => {
      if (tick === this.#tick) this.#deliver({ type: "tick" }, life);
    });
  }

  #noticeEnd(process: Process, cause: ExitCause): void {
    const { random, climate } = this.#world;
    if (!this.#alive || (!this.sheltered && random.chance(climate.lostExits))) return;
    const known = process.life === this.#life || climate.exitsOutliveWatchd;
    const { agent, runId } = process.run;
    const at = this.#world.machine.now.mono;
    const heard = known ? cause : ({ kind: "unknown" } as const);
    this.send({ type: "exited", agent, runId, cause: heard, at }, random.delay(1, 60));
    later(this.#world, 100, () => this.probeDependencies());
  }

  #noticeSwitch(): void {
    const { random } = this.#world;
    if (this.#alive && (this.sheltered || random.chance(0.95))) this.refresh(random.delay(0, 400));
  }
}

/** What an eager adapter may repeat. What is current is read afresh each time, and the answer to a question comes once. */
function canComeTwice({ type }: Event): boolean {
  return type === "exited" || type === "started" || type === "stopped" || type === "usage" || type === "runs";
}
