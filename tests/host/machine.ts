/** One test host at a low level: the namespace it lives in, its PID 1, and the way in. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Answer, ask, type Request } from "./commands.ts";
import { discard, newPlace, type Place } from "./leftovers.ts";
import { layers, repository } from "./packages.ts";
import { run } from "./run.ts";

const scripts = join(import.meta.dirname, "machine");
/** Of the program that runs commands, in the host. */
const commandProgram = "/opt/daruma/tests/host/machine/commands.pl";
const commandSocket = "/run/test-host-commands.sock";
const withinMs = 60_000;
const keptOutput = 16_384;

export interface MachineOptions {
  readonly hostname: string;
  /** Where what the host writes goes: memory is faster, a disk makes syncing cost what it costs. */
  readonly storage: "memory" | "disk";
}

/** A child, and the end of what it said. */
interface Minder {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  output(): string;
}

export class Machine {
  readonly #options: MachineOptions;
  #layers: readonly string[] | undefined;
  #place: Place | undefined;
  #holder: Minder | undefined;
  #nspawn: Minder | undefined;
  #leader: number | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  /** Gives the host an empty disk, with nothing but the layers on it. Takes away what it had before. */
  async create(): Promise<void> {
    await this.destroy();
    const place = await newPlace();
    this.#place = place;
    this.#layers ??= await layers();
    const lower = this.#layers.join(":");
    const { storage } = this.#options;
    const holder = minded("unshare", [
      "-m",
      join(scripts, "hold.sh"),
      place.name,
      place.directory,
      storage,
      lower,
    ]);
    this.#holder = holder;
    await waitFor(holder, "the disk of a test host", () => holder.output().includes("ready\n"));
  }

  /** Boots from the disk as it is. Resolves when systemd has nothing left to start. */
  async boot(): Promise<void> {
    const { place, holder } = this.#created();
    const { hostname } = this.#options;
    const boot = [join(scripts, "boot.sh"), place.name, place.directory, hostname, repository];
    const nspawn = minded("nsenter", ["-t", String(holder.child.pid), "-m", ...boot]);
    this.#nspawn = nspawn;
    const leader = await waitFor(nspawn, "PID 1 of a test host", () => leaderOf(nspawn.child.pid));
    this.#leader = leader;
    await waitFor(nspawn, "systemd in a test host", () =>
      existsSync(`/proc/${leader}/root/run/systemd/private`),
    );
    await run(...this.#enter(["env", "-i", "perl", commandProgram, commandSocket]), withinMs);
  }

  /** Runs a command in the host, as root, with nothing in the environment but what it says. */
  run(request: Request): Promise<Answer> {
    return ask(this.path(commandSocket), request);
  }

  /** Ends every process of the host at once, as a power cut does; what was not synced is there all the same. */
  async powerOff(): Promise<void> {
    const { place, holder } = this.#created();
    const script = [join(scripts, "power-off.sh"), place.name];
    await run("nsenter", ["-t", String(holder.child.pid), "-m", ...script], withinMs);
    await this.off();
  }

  /** Resolves when the machine is off. */
  async off(): Promise<void> {
    await this.#nspawn?.ended;
    this.#nspawn = this.#leader = undefined;
  }

  async destroy(): Promise<void> {
    if (this.#place === undefined) return;
    this.#holder?.child.stdin?.end();
    await this.#holder?.ended;
    await this.off();
    // The holder has done it; unless somebody has killed it.
    if (existsSync(this.#place.directory)) await discard(this.#place);
    this.#place = this.#holder = undefined;
  }

  /** The command line of this machine that runs `argv` in the host. */
  #enter(argv: readonly string[]): readonly [string, readonly string[]] {
    const { place, holder } = this.#created();
    const join = `echo $$ >/sys/fs/cgroup/${place.name}/exec/cgroup.procs; exec nsenter -t ${this.#running()} -a "$@"`;
    return ["nsenter", ["-t", String(holder.child.pid), "-m", "sh", "-c", join, "sh", ...argv]];
  }

  /** Where the host's disk is in this machine's view, booted or not. Links in it lead astray: they are the host's. */
  disk(): string {
    const { place, holder } = this.#created();
    return join("/proc", String(holder.child.pid), "root", place.directory, "root");
  }

  /** A path of the host that runs, in this machine's view: for its sockets, which are in none of its disks. */
  path(path: string): string {
    return `/proc/${this.#running()}/root${path}`;
  }

  /** Its PID 1, as this machine numbers it. */
  #running(): number {
    if (this.#leader !== undefined && this.#nspawn?.child.exitCode === null) return this.#leader;
    throw new Error(`the test host is not running; the end of its console:\n${this.#nspawn?.output() ?? ""}`);
  }

  #created(): { readonly place: Place; readonly holder: Minder } {
    if (this.#place === undefined || this.#holder === undefined) throw new Error("the test host was stopped");
    return { place: this.#place, holder: this.#holder };
  }
}

/** In a session of its own: Control-C in a terminal is for the test, whose end then ends the rest. */
function minded(command: string, argv: readonly string[]): Minder {
  const child = spawn(command, argv, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
  // A child that is gone no longer reads; its end is told by "close".
  child.stdin.on("error", () => undefined);
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-keptOutput);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ended = new Promise<void>((resolve, reject) => {
    child.on("close", () => resolve());
    child.on("error", reject);
  });
  return { child, ended, output: () => output };
}

/** Waits for what `look` finds, unless the child ends or time runs out first. */
async function waitFor<T>(minder: Minder, what: string, look: () => T | undefined | false): Promise<T> {
  const deadline = performance.now() + withinMs;
  while (true) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    const { exitCode, signalCode } = minder.child;
    if (exitCode !== null || signalCode !== null) {
      await minder.ended;
      throw new Error(`${what}: ended with ${exitCode ?? signalCode} and said\n${minder.output()}`);
    }
    if (performance.now() > deadline)
      throw new Error(`${what}: not there within ${withinMs} ms; ${minder.output()}`);
    await delay(2);
  }
}

/** nspawn's child that is PID 1 in a namespace of its own. */
function leaderOf(nspawn: number | undefined): number | undefined {
  const children = readProc(`${nspawn}/task/${nspawn}/children`).trim().split(" ");
  return children.map(Number).find((pid) => /^NSpid:\s+\d+\s+1$/m.test(readProc(`${pid}/status`)));
}

function readProc(path: string): string {
  try {
    return readFileSync(join("/proc", path), "utf8");
  } catch {
    return "";
  }
}
