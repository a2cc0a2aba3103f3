import type { Command, Event } from "../policy/events.ts";
import type { Step } from "../policy/policy.ts";
import { initialState, type State } from "../policy/state.ts";
import type { CurrentGeneration, ExitCause, Instant } from "../ports.ts";
import { Bookkeeper } from "./bookkeeper.ts";
import { Hands } from "./hands.ts";
import type { Process } from "./process.ts";
import { dependenciesFound, excuseUnknown, usageMeasured } from "./senses.ts";
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
  readonly #books: Bookkeeper;
  #state: State;
  #isSending = false;
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
    this.#books = new Bookkeeper(this.#state, core.keeping);
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
    if (machine.diskGone) {
      // Without its journal it ends at once, and is started again.
      later(this.#world, random.delay(100, 5_000), () => this.start());
      return;
    }
    this.#alive = true;
    this.#life += 1;
    this.#told = null;
    this.#stalledUntil = 0;
    this.#state = this.#books.recover();
    this.#isSending = false;
    this.#tellEntries();
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
    this.#tellEntries();
  }

  /** What is sent is sent again by the next watchd if this one does not live to hear that it has arrived. */
  #tellEntries(): void {
    const { machine, random, ledger } = this.#world;
    const life = this.#life;
    if (!this.#alive || this.#isSending) return;
    this.#isSending = true;
    later(this.#world, random.delay(1, 200), () => {
      if (!this.isAlive(life)) return;
      this.#isSending = false;
      if (machine.ledgerAway) return;
      for (const { n, record } of this.#books.waiting) ledger.take(n, record);
      const last = this.#books.waiting.at(-1)?.n ?? 0;
      later(this.#world, random.delay(1, 100), () => {
        if (this.isAlive(life)) this.#books.acknowledge(last);
      });
    });
  }

  /** Asks now what the agents declare to need; the answer may take its time. */
  probeDependencies(): void {
    const { machine, random } = this.#world;
    if (!this.#alive) return;
    const found = dependenciesFound(this.#world);
    if (found.length > 0)
      this.send({ type: "dependencies", at: machine.now.mono, found }, random.delay(0, 100));
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
    const runs = usageMeasured(this.#world, this.#state);
    if (runs.length > 0) this.send({ type: "usage", at: this.#world.machine.now.mono, runs }, 1);
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
    if (event.type === "dependencies") excuseUnknown(this.#world, this.#state, event);
    const before = this.#state;
    const taken = this.#core.step(before, event, machine.now);
    this.steps += 1;
    const durable = taken.records.length > 0 || taken.commands.some(({ type }) => type !== "probe");
    if (durable && (this.#doomed("before-journal") || this.#cannotWrite())) return;
    this.#state = taken.state;
    if (durable) this.#books.write(taken.state, taken.records);
    if (taken.records.length > 0) this.#tellEntries();
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

  /** Where the journal cannot be written nothing may come of the step: watchd ends. */
  #cannotWrite(): boolean {
    const { machine, random } = this.#world;
    if (machine.diskGone) this.kill(random.delay(100, 5_000));
    return machine.diskGone;
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
