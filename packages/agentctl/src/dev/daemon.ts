import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import daemonEnvironment from "./daemon-environment.json" with { type: "json" };
import { explainDaemonFailure } from "./daemon-failure.ts";
import nodeOptions from "./node-options.json" with { type: "json" };

export interface DaemonSpec {
  readonly name: "ledgerd" | "watchd" | "egressd";
  readonly program: string;
  readonly args: readonly string[];
  /** Gets what the daemon writes to stderr. */
  readonly log: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface DaemonEvents {
  /** It ended though nobody asked it to; it is started again after the delay. */
  readonly onDown: (error: Error, restartInMs: number) => void;
  readonly onUp: (pid: number) => void;
}

/** The line that a daemon prints on stdout once it serves. */
export type ReadyLine = Readonly<Record<string, unknown>> & { readonly pid: number };

const readyWithinMs = 30_000;
const firstDelayMs = 50;
const longestDelayMs = 5_000;
/** A daemon that has been up this long starts the backoff anew. */
const stableMs = 10_000;

/**
 * What Node itself is told for a daemon, as on a host (nix/package.nix). Young objects get 1 MiB: with the 16 MiB or more that V8
 * takes by itself, most of what a daemon that is hardly ever busy has in memory is garbage that nobody has collected yet. For the
 * same reason the old objects of watchd and egressd, which read a manifest each, are collected once there are 8 MiB of them, and
 * again when they have grown by 30 %.
 */
const optionsOf: Readonly<Partial<Record<DaemonSpec["name"], readonly string[]>>> = nodeOptions;

/**
 * What the C library is told (mallopt(3)): a dozen threads of Node, each of which is idle nearly always, need no heap of their own, and
 * what the largest allocations of the start have left is given back. ledgerd's store has a thread that works: it keeps its own.
 */
const environmentOf: Readonly<Record<DaemonSpec["name"], Readonly<Record<string, string>>>> =
  daemonEnvironment;

interface Attempt {
  readonly child: ChildProcess;
  readonly ready: ReadyLine;
  readonly startedAt: number;
  readonly logOffset: number;
}

/**
 * A daemon that is kept up: started again with backoff whenever it dies, until it is stopped. It is in a session of its
 * own, so that a Ctrl-C in the terminal reaches only us, and it ends by itself when we die (`--exit-with-parent`).
 */
export class Daemon {
  readonly #spec: DaemonSpec;
  readonly #events: DaemonEvents;
  readonly #stop = new AbortController();
  #current: ChildProcess | null = null;
  #keeping: Promise<void> = Promise.resolve();

  private constructor(spec: DaemonSpec, events: DaemonEvents) {
    this.#spec = spec;
    this.#events = events;
  }

  /**
   * Resolves once it serves for the first time.
   *
   * @throws what the daemon itself complains of, with its own code; else DEV_E_DAEMON
   */
  static async start(
    spec: DaemonSpec,
    events: DaemonEvents,
    signal: AbortSignal,
  ): Promise<{ readonly daemon: Daemon; readonly ready: ReadyLine }> {
    const daemon = new Daemon(spec, events);
    const attempt = await daemon.#launch(signal);
    daemon.#keeping = daemon.#keepUp(attempt);
    return { daemon, ready: attempt.ready };
  }

  /** Ends it: SIGTERM first, SIGKILL after `withinMs`. Resolves once it is gone. */
  async stop(withinMs: number): Promise<void> {
    this.#stop.abort();
    const child = this.#current;
    if (child !== null) await endChild(child, withinMs);
    await this.#keeping;
  }

  async #keepUp(first: Attempt): Promise<void> {
    let attempt: Attempt | null = first;
    let delayMs = firstDelayMs;
    while (!this.#stop.signal.aborted) {
      try {
        attempt ??= await this.#launch(this.#stop.signal);
        if (attempt !== first) this.#events.onUp(attempt.ready.pid);
        const error = await this.#death(attempt);
        if (this.#stop.signal.aborted) return;
        if (performance.now() - attempt.startedAt > stableMs) delayMs = firstDelayMs;
        this.#events.onDown(error, delayMs);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#events.onDown(error instanceof Error ? error : new Error(messageOf(error)), delayMs);
      }
      attempt = null;
      await sleep(delayMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, longestDelayMs);
    }
  }

  async #death({ child, logOffset }: Attempt): Promise<Error> {
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return this.#failure(child, logOffset);
  }

  async #launch(signal: AbortSignal): Promise<Attempt> {
    signal.throwIfAborted();
    const logOffset = await sizeOf(this.#spec.log);
    const child = spawnDaemon(this.#spec);
    this.#current = child;
    const startedAt = performance.now();
    const cancel = new AbortController();
    try {
      const ready = await Promise.race([
        readReady(child),
        exitOf(child).then(async () => Promise.reject(await this.#failure(child, logOffset))),
        rejectAfter(readyWithinMs, this.#spec, cancel.signal),
        rejectOn(signal, cancel.signal),
      ]);
      child.stdout?.resume();
      return { child, ready, startedAt, logOffset };
    } catch (error) {
      await endChild(child, 1_000);
      throw error;
    } finally {
      cancel.abort();
    }
  }

  async #failure(child: ChildProcess, logOffset: number): Promise<Error> {
    const text = await readFrom(this.#spec.log, logOffset);
    const how = child.signalCode === null ? `with exit code ${child.exitCode}` : `by ${child.signalCode}`;
    return explainDaemonFailure({
      name: this.#spec.name,
      how,
      exitCode: child.exitCode,
      text,
      log: this.#spec.log,
    });
  }
}

function spawnDaemon(spec: DaemonSpec): ChildProcess {
  let log: number;
  try {
    log = openSync(spec.log, "a", 0o600);
  } catch (cause) {
    throw agentctlErrors.make("DEV_E_STATE_DIRECTORY", `cannot write ${spec.log}: ${messageOf(cause)}`, {
      where: spec.log,
      cause,
    });
  }
  try {
    const options = optionsOf[spec.name] ?? [];
    const child = spawn(process.execPath, [...options, spec.program, ...spec.args, "--exit-with-parent"], {
      stdio: ["pipe", "pipe", log],
      detached: true,
      env: { ...environmentOf[spec.name], ...spec.environment },
    });
    // Its end shows as an exit; a write to a dead daemon's stdin is nothing to fail of.
    child.stdin?.on("error", () => undefined);
    child.stdout?.on("error", () => undefined);
    return child;
  } finally {
    closeSync(log);
  }
}

function readReady(child: ChildProcess): Promise<ReadyLine> {
  const { stdout } = child;
  if (stdout === null) throw new Error(`${basename(child.spawnfile)} has no stdout`);
  return new Promise((resolve, reject) => {
    let text = "";
    const read = (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const end = text.indexOf("\n");
      if (end === -1) return;
      stdout.off("data", read);
      try {
        resolve(JSON.parse(text.slice(0, end)));
      } catch (error) {
        reject(error);
      }
    };
    stdout.on("data", read);
  });
}

/** Resolves at its end; rejects if it could not even be started. */
async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

async function rejectAfter(ms: number, spec: DaemonSpec, cancel: AbortSignal): Promise<never> {
  await sleep(ms, undefined, { signal: cancel });
  throw agentctlErrors.make("DEV_E_DAEMON", `${spec.name} was not ready within ${ms / 1_000} s`, {
    hint: `Read ${spec.log}.`,
  });
}

function rejectOn(signal: AbortSignal, cancel: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true, signal: cancel });
  });
}

async function endChild(child: ChildProcess, withinMs: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), withinMs);
  await gone;
  clearTimeout(timer);
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

/** The end of what was written to a file from `offset` on. */
async function readFrom(file: string, offset: number): Promise<string> {
  const limit = 64 * 1024;
  try {
    await using handle = await open(file, "r");
    const { size } = await handle.stat();
    const from = Math.max(offset, size - limit);
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(Math.max(0, size - from)),
      0,
      size - from,
      from,
    );
    return buffer.subarray(0, bytesRead).toString("utf8");
  } catch {
    // Without its log the daemon's exit code is all there is to tell.
    return "";
  }
}
