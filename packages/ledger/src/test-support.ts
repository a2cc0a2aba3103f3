/** What several tests of this package need. Not part of the package. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type DarumaError, isDarumaError } from "@daruma/base";
import type { Test } from "tap";
import { type EntryDraft, prepareEntry, type SealedEntry, sealEntry, zeroHash } from "./entry.ts";

/** Short, because sockets go in it. */
export async function temporaryDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "daruma-ledger-"));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** The DarumaError that a promise rejects with; anything else fails the test. */
export async function errorOf(promise: Promise<unknown>): Promise<DarumaError> {
  const error: unknown = await promise.then(
    (value) => new Error(`it did not fail but gave ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (isDarumaError(error)) return error;
  throw error;
}

/** Waits until `condition` gives something other than undefined; fails after half a minute. */
export async function eventually<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + 30_000;
  while (performance.now() < end) {
    const value = await condition();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`waited in vain: ${what}`);
}

/** mulberry32: the same numbers from 0 to 1 for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const draft: EntryDraft = {
  action: "agent.restarted",
  subject: "agent/enricher",
  incident: "i-1",
  run: "r-1",
  details: { attempt: 1, cause: { kind: "signal", signal: "SIGKILL" }, name: "Zoë \u{1f600}" },
};

/** A good chain of `count` entries that differ. */
export function chainOf(count: number, host = "etl-01"): readonly SealedEntry[] {
  const entries: SealedEntry[] = [];
  let prev = zeroHash;
  for (let seq = 1; seq <= count; seq++) {
    const prepared = prepareEntry({ ...draft, details: { ...draft.details, seq } }, host, "watchd");
    const sealed = sealEntry(prepared, prev, seq, "2026-11-23T10:00:00.000Z");
    entries.push(sealed);
    prev = sealed.hash;
  }
  return entries;
}

export interface Program {
  readonly process: ChildProcess;
  readonly store: string;
  readonly socket: string;
  /** The line of JSON that it printed when it was ready. */
  readonly ready: Record<string, unknown>;
  /** What it has said on stderr so far. */
  readonly stderr: () => string;
  /** Resolves with the exit code or the signal. */
  readonly exited: Promise<number | string>;
}

/** As it is shipped; `make test` has built it before. */
const programFile = join(import.meta.dirname, "../../../dist/ledgerd.mjs");

/** ledgerd as a process of its own, whether it comes up or not. */
export function spawnLedgerd(flags: readonly string[]): Omit<Program, "ready" | "store" | "socket"> {
  const child = spawn(process.execPath, [programFile, ...flags], { stdio: ["pipe", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
  });
  const exited = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return { process: child, stderr: () => stderr, exited };
}

/** ledgerd serving `watchd` and `operator` in `directory`; ended with the test. */
export async function startProgram(
  t: Test,
  directory: string,
  flags: readonly string[] = [],
): Promise<Program> {
  const store = join(directory, "store");
  const places = [
    "--store",
    store,
    "--sockets",
    directory,
    "--host",
    "etl-01",
    "--writers",
    "watchd,operator",
  ];
  const program = spawnLedgerd([...places, ...flags]);
  t.teardown(async () => {
    program.process.kill("SIGKILL");
    await program.exited;
  });
  const ready = await Promise.race([
    firstLine(program.process),
    program.exited.then((code) => {
      throw new Error(`ledgerd ended with ${code}: ${program.stderr()}`);
    }),
  ]);
  return { ...program, store, socket: join(directory, "watchd.sock"), ready: JSON.parse(ready) };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("stdout must be a pipe");
  const [line] = await once(createInterface(child.stdout), "line");
  return line as string;
}
