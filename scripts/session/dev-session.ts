/** `agentctl dev` as a child process, in a directory of its own: what the demo and the benchmark look at from outside. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

export const agentctl = fileURLToPath(new URL("../../dist/agentctl.mjs", import.meta.url));

export interface Entry {
  readonly seq: number;
  readonly action: string;
  readonly subject: string;
  readonly incident?: string;
  readonly details: Readonly<Record<string, unknown>>;
}

interface DevEvent {
  readonly event: string;
  readonly entry?: Entry;
  readonly [field: string]: unknown;
}

export interface AgentStatus {
  readonly name: string;
  readonly phase: string;
  readonly pid: number | null;
}

export class DevSession {
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #events: DevEvent[] = [];
  readonly #wakers = new Set<() => void>();
  readonly #exited: Promise<unknown>;
  #errors = "";
  #ended = false;

  /** @param directory holds the fleet file; the state directory is made in it */
  constructor(directory: string) {
    this.#directory = directory;
    this.#child = spawn(process.execPath, [agentctl, "dev", "--json"], {
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.#exited = once(this.#child, "close").finally(() => {
      this.#ended = true;
      this.#wake();
    });
    void this.#listen();
  }

  /** What `agentctl dev` said on stderr so far. */
  get errors(): string {
    return this.#errors;
  }

  get entries(): readonly Entry[] {
    return this.#events.flatMap((event) => (event.entry === undefined ? [] : [event.entry]));
  }

  /** The first entry after `after` (a sequence number) that `matches`. */
  async entry(
    what: string,
    matches: (entry: Entry) => boolean,
    after = 0,
    withinMs = 60_000,
  ): Promise<Entry> {
    const find = () => this.entries.find((entry) => entry.seq > after && matches(entry));
    await this.#until(what, () => find() !== undefined, withinMs);
    const found = find();
    if (found === undefined) throw new Error("unreachable");
    return found;
  }

  async event(name: string, withinMs = 60_000): Promise<void> {
    await this.#until(name, () => this.#events.some((event) => event.event === name), withinMs);
  }

  /** Runs agentctl beside it. Never throws for its exit code. */
  async run(
    ...args: string[]
  ): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
    const result = await execa(process.execPath, [agentctl, ...args], {
      cwd: this.#directory,
      reject: false,
    });
    return { exitCode: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
  }

  async agent(name: string): Promise<AgentStatus> {
    const { stdout, stderr } = await this.run("status", "--json");
    const agents: readonly AgentStatus[] = JSON.parse(stdout).agents ?? [];
    const found = agents.find((agent) => agent.name === name);
    if (found === undefined) throw new Error(`agentctl status knows no agent ${name}: ${stderr}`);
    return found;
  }

  /** Ctrl-C. Returns the exit code. */
  async stop(): Promise<number | null> {
    if (!this.#ended) this.#child.kill("SIGINT");
    await this.#exited;
    return this.#child.exitCode;
  }

  async #listen(): Promise<void> {
    if (this.#child.stdout === null) return;
    for await (const line of createInterface({ input: this.#child.stdout })) {
      this.#events.push(JSON.parse(line) as DevEvent);
      this.#wake();
    }
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }

  async #until(what: string, condition: () => boolean, withinMs: number): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: Error) => {
        clearTimeout(timer);
        this.#wakers.delete(waker);
        if (error === undefined) resolve();
        else reject(error);
      };
      const waker = () => {
        if (condition()) finish();
        else if (this.#ended)
          finish(new Error(`agentctl dev ended while waiting for ${what}:\n${this.#errors}`));
      };
      const timer = setTimeout(
        () => finish(new Error(`waited ${withinMs} ms in vain for ${what}`)),
        withinMs,
      );
      this.#wakers.add(waker);
      waker();
    });
  }
}
