import { type ChildProcess, spawn } from "node:child_process";
import { messageOf } from "@daruma/base";

export interface Ended {
  readonly ok: boolean;
  /** Without the newline that ends the last line. */
  readonly stdout: string;
  /** Without the newline that ends the last line. */
  readonly stderr: string;
  /** What went wrong, in a few words; empty if nothing did. */
  readonly problem: string;
  /** It was given up because it had not ended in its time. */
  readonly timedOut: boolean;
}

const unwanted = "it was no longer wanted";
/** Between SIGTERM and SIGKILL, for a command that was given up. */
const killAfterMs = 5_000;
/** Of either stream, in bytes. More is never asked for: what nix-store tells of a system with 100,000 paths is a tenth of it. */
const mostOutput = 100_000_000;

/*
 * With `node:child_process` rather than execa, which takes 7 MiB of private memory in a daemon that is to stay small on every host,
 * and waits for a command's grandchildren, who have its output too, beyond any time that the command is given.
 */
const running = new Set<ChildProcess>();

/** Nothing that was asked of somebody else goes on behind the back of the next watchd. */
function endWithUs(child: ChildProcess): void {
  if (running.size === 0) process.on("exit", endAll);
  running.add(child);
  // What could not be started has no exit.
  child.once("close", () => {
    running.delete(child);
    if (running.size === 0) process.off("exit", endAll);
  });
}

function endAll(): void {
  for (const child of running) child.kill();
}

/**
 * Runs a program of PATH to its end, for at most `timeoutMs`. Never rejects: that it does not exist, or was ended, is a
 * problem like any other.
 */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Ended> {
  const { timeoutMs, signal } = options;
  return new Promise((resolve) => {
    const fail = (problem: string) =>
      resolve({ ok: false, stdout: "", stderr: "", problem: `${program}: ${problem}`, timedOut: false });
    if (signal.aborted) {
      fail(unwanted);
      return;
    }
    let child: ReturnType<typeof start>;
    try {
      child = start(program, args);
    } catch (error) {
      fail(messageOf(error));
      return;
    }
    /** Why it was given up. */
    let givenUp: string | null = null;
    let failure: string | null = null;
    let timedOut = false;
    let killing: NodeJS.Timeout | undefined;
    const giveUp = (why: string) => {
      if (givenUp !== null) return;
      givenUp = why;
      child.kill();
      killing = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
      // Whoever else holds its output is not waited for.
      if (hasExited(child)) closeStreams(child);
      else child.once("exit", () => closeStreams(child));
    };
    const cancel = () => giveUp(`${program}: ${unwanted}`);
    const timer = setTimeout(() => {
      timedOut = givenUp === null;
      giveUp(`${program} did not end within ${timeoutMs} ms`);
    }, timeoutMs);
    const tooMuch = () => giveUp(`${program} says more than ${mostOutput} bytes`);
    const stdout = collect(child.stdout, tooMuch);
    const stderr = collect(child.stderr, tooMuch);
    child.on("error", (error) => {
      failure ??= `${program}: ${messageOf(error)}`;
    });
    child.once("close", (exitCode, endSignal) => {
      clearTimeout(timer);
      clearTimeout(killing);
      signal.removeEventListener("abort", cancel);
      const problem = givenUp ?? failure ?? problemOf(program, exitCode, endSignal);
      resolve({ ok: problem === "", stdout: stdout(), stderr: stderr(), problem, timedOut });
    });
    endWithUs(child);
    signal.addEventListener("abort", cancel, { once: true });
  });
}

function start(program: string, args: readonly string[]) {
  return spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function closeStreams({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}

/** What the stream has said so far, as text; characters that are no UTF-8 are replaced. */
function collect(stream: NodeJS.ReadableStream, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > mostOutput) tooMuch();
    else chunks.push(chunk);
  });
  // Its end says enough.
  stream.on("error", () => undefined);
  return () =>
    Buffer.concat(chunks)
      .toString("utf8")
      .replace(/\r?\n$/, "");
}

function problemOf(program: string, exitCode: number | null, signal: NodeJS.Signals | null): string {
  if (exitCode === 0) return "";
  if (exitCode !== null) return `${program} ended with exit code ${exitCode}`;
  return `${program}: ${signal ?? "it could not be run"}`;
}
