import { temporaryFailure, wrongConfiguration } from "../policy/failure.ts";
import type { ExitCause } from "../ports.ts";
import type { Agenda } from "./agenda.ts";
import type { Machine } from "./machine.ts";
import { isSilent, isStuck, type Outage, type Process, showsAsCrash } from "./process.ts";
import type { Random } from "./random.ts";

const crashes: readonly ExitCause[] = [
  { kind: "exit", code: 1 },
  { kind: "exit", code: 3 },
  { kind: "signal", signal: "SIGSEGV" },
  { kind: "signal", signal: "SIGKILL" },
];

/** Makes processes behave as their code does, and as the world outside lets them. */
export class Nature {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #machine: Machine;
  /** Called for each word of a process through its own socket. */
  onBeat: (process: Process) => void = () => {};
  /** Called when a process tells how much it has done. */
  onProgress: (process: Process) => void = () => {};

  constructor(agenda: Agenda, random: Random, machine: Machine) {
    this.#agenda = agenda;
    this.#random = random;
    this.#machine = machine;
  }

  /** A process has come to life: plans what its code will do. */
  animate(process: Process): void {
    const machine = this.#machine;
    const random = this.#random;
    const ready = process.servesFrom - machine.time;
    this.#later(ready, process, () => machine.touch(process.run.agent));
    this.#later(ready, process, () => this.#beat(process));
    this.#later(ready, process, () => this.#work(process));
    const outage = machine.outageOf(process.run.agent);
    if (outage !== null) this.suffer(process, outage);
    switch (process.version.defect) {
      case "exits-at-start":
        return this.#later(random.delay(0, 60), process, () => this.crash(process));
      case "exits-later":
        return this.#later(ready + random.whole(100, 8_000), process, () => this.crash(process));
      case "flaps":
        return this.#later(random.delay(20, 15_000), process, () => this.crash(process));
      case "hangs":
        return this.#later(ready + random.whole(50, 6_000), process, () => this.hang(process));
      case "falters":
        return this.#later(ready + random.whole(50, 6_000), process, () => this.falter(process));
      case "grows":
        return this.#later(random.whole(100, 5_000), process, () => this.grow(process));
      case "falls-silent":
        return this.#later(ready + random.whole(50, 6_000), process, () => this.fallSilent(process));
      case "leaks":
        return this.#later(ready, process, () => this.leak(process));
      case "gets-stuck":
        return this.#later(ready + random.whole(50, 6_000), process, () => this.getStuck(process));
      case "exits-clean":
        return this.#later(random.whole(5, 3_000), process, () => this.exit(process, 0));
      case "misconfigured":
        return this.#later(random.delay(0, 60), process, () => this.exit(process, wrongConfiguration));
      case "blames-others":
        return this.#later(random.whole(1, 500), process, () => this.exit(process, temporaryFailure));
      case "none":
      case "cannot-start":
      case "never-healthy":
        return;
    }
  }

  /** What the agent needs is down: it notices at once or a little later. */
  suffer(process: Process, outage: Outage): void {
    if (outage.shows === "answer" || (outage.shows === "need" && !process.version.needs)) return;
    this.#later(this.#random.delay(1, 400), process, () => {
      if (this.#machine.outageOf(process.run.agent) !== outage) return;
      if (showsAsCrash(outage, process.version)) this.crash(process);
      else this.exit(process, temporaryFailure);
    });
  }

  crash(process: Process): void {
    this.#machine.end(process, this.#random.pick(crashes));
  }

  exit(process: Process, code: number): void {
    this.#machine.end(process, { kind: "exit", code });
  }

  hang(process: Process): void {
    process.hung = true;
    this.#goQuiet(process);
  }

  /** It serves some and turns others away, as with one worker of several that is broken. */
  falter(process: Process): void {
    process.falters = this.#random.pick([0.1, 0.3, 0.6, 0.8]);
  }

  fallSilent(process: Process): void {
    process.mute = true;
    this.#goQuiet(process);
  }

  /** systemd, to which it was to beat, ends it by itself. */
  #goQuiet(process: Process): void {
    this.#machine.touch(process.run.agent);
    const { heartbeat } = process.version;
    if (heartbeat?.through !== "notify") return;
    this.#later(heartbeat.silenceMs, process, () => this.#machine.end(process, { kind: "watchdog" }));
  }

  #beat(process: Process): void {
    const { heartbeat } = process.version;
    if (heartbeat?.through !== "http" || isSilent(process)) return;
    this.onBeat(process);
    this.#later(heartbeat.everyMs, process, () => this.#beat(process));
  }

  #work(process: Process): void {
    const { progressMs } = process.version;
    if (progressMs === null || isStuck(process)) return;
    process.count += 1;
    this.onProgress(process);
    this.#later(progressMs / 4, process, () => this.#work(process));
  }

  getStuck(process: Process): void {
    process.stuck = true;
    this.#machine.touch(process.run.agent);
  }

  /** It never slows down: what it has taken since its start is reckoned by this. */
  leak(process: Process): void {
    process.growth = Math.max(process.growth, this.#random.pick([5, 40]));
  }

  hoard(process: Process): void {
    process.files = 1_000;
    process.hasHoarded = true;
  }

  grow(process: Process): void {
    process.bytes = 2_000;
  }

  #later(inMs: number, process: Process, act: () => void): void {
    this.#agenda.plan(this.#machine.time + inMs, () => {
      if (process.alive) act();
    });
  }
}
