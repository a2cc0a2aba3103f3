import {
  appendFileSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../commands.ts";

/*
 * The log of an agent that is a child process. It writes to the file itself, since it outlives us, and so the file can be neither
 * exchanged nor cut while it runs. Its beginning is copied away and then punched out of it (fallocate(2), FALLOC_FL_PUNCH_HOLE):
 * the agent goes on at the end, which stays where it is, and not a byte is lost or there twice.
 *
 * `log` is what is being written, `log.FROM-TO` what was copied away: bytes are counted from the first that was ever
 * written, so that a position means the same for ever. `log.runs` says where each run begins.
 */

/** What `log` may hold before its beginning is copied away. */
export const maxLogBytes = 16 * 1024 * 1024;

/** How many of those copies are kept. */
export const keptLogs = 3;

const copyBytes = 1024 * 1024;
const commandMs = 10_000;
/** Runs whose bytes are gone are forgotten now and then. */
const mostRuns = 1_000;

export interface LogPart {
  readonly path: string;
  readonly from: number;
  /** Null for the one that is being written. */
  readonly to: number | null;
  /** Position of the file's own first byte. */
  readonly origin: number;
}

export interface LogRun {
  readonly run: string;
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly from: number;
  readonly origin: number;
}

export interface AgentLog {
  /** In order, without gaps. */
  readonly parts: readonly LogPart[];
  /** In order; of runs whose bytes are gone too. */
  readonly runs: readonly LogRun[];
}

/** What there is of an agent's log, in the agent's own directory. */
export function readAgentLog(home: string): AgentLog {
  const runs = readRuns(home);
  const copies = copiesIn(home);
  const base = copies.at(-1)?.to ?? 0;
  const origin = runs.at(-1)?.origin ?? 0;
  const current = { path: join(home, "log"), from: Math.max(base, origin), to: null, origin };
  return { parts: [...copies, current], runs };
}

/** Opens the log of a run that is about to start, and notes where in it the run begins. Returns a file descriptor. */
export function openRunLog(home: string, runId: string, maxBytes = maxLogBytes): number {
  const { parts, runs } = readAgentLog(home);
  const path = join(home, "log");
  const current = parts.at(-1);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? null;
  const base = current?.from ?? 0;
  // Whoever takes the file away begins a new one, where the old one had ended at the earliest.
  let origin = size === null ? Math.max(base, runs.at(-1)?.from ?? 0) : (current?.origin ?? 0);
  let end = origin + (size ?? 0);
  if (size !== null && size > maxBytes && origin === base) {
    // Nobody writes to it now, and nothing of it is punched out: it can be set aside as it is.
    renameSync(path, join(home, `log.${base}-${end}`));
    drop(home);
    origin = end;
  }
  end = Math.max(end, origin);
  const file = openSync(path, "a", 0o600);
  try {
    const line = `${JSON.stringify({ run: runId, at: Date.now(), from: end, origin })}\n`;
    if (runs.length < mostRuns) appendFileSync(join(home, "log.runs"), line, { mode: 0o600 });
    else
      replaceRuns(
        home,
        `${runs
          .slice(-mostRuns / 2)
          .map((each) => JSON.stringify(each))
          .join("\n")}\n${line}`,
      );
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** In bytes, with what was copied away; 0 where there is none. */
export function logSize(home: string): number {
  return statSync(`${home}/log`, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Copies the beginning of a log away that has grown too large, up to the end of a line. Returns whether it did.
 *
 * @throws if the file system punches no holes: the copy is there then, and so is what it was made of
 */
export async function turnLog(home: string, maxBytes = maxLogBytes): Promise<boolean> {
  const path = join(home, "log");
  const size = logSize(home);
  if (size <= maxBytes) return false;
  const current = readAgentLog(home).parts.at(-1);
  if (current === undefined) return false;
  const { from, origin } = current;
  const end = origin + size;
  if (end - from <= maxBytes) return false;
  const temporary = join(home, "log.copy");
  const to = from + (await copyLines(path, temporary, from - origin, end - origin));
  if (to === from) return false;
  // From here on those bytes are in the copy.
  await rename(temporary, join(home, `log.${from}-${to}`));
  const length = String(to - origin);
  const { ok, problem } = await run(
    "fallocate",
    ["--punch-hole", "--offset", "0", "--length", length, path],
    {
      timeoutMs: commandMs,
      signal: new AbortController().signal,
    },
  );
  drop(home);
  if (!ok) throw new Error(`the beginning of ${path} cannot be given back: ${problem}`);
  return true;
}

/** Copies bytes `from` to `to` up to the end of the last line in them, or all if there is none. Returns how many. */
async function copyLines(source: string, target: string, from: number, to: number): Promise<number> {
  await using input = await open(source, "r");
  await using output = await open(target, "w", 0o600);
  const length = (await lastLineEnd(input, from, to)) - from;
  const buffer = Buffer.alloc(copyBytes);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await input.read(buffer, 0, Math.min(copyBytes, length - done), from + done);
    if (bytesRead === 0) throw new Error(`${source} has become shorter`);
    await output.writeFile(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
  await output.sync();
  return done;
}

async function lastLineEnd(file: FileHandle, from: number, to: number): Promise<number> {
  const start = Math.max(from, to - copyBytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(to - start), 0, to - start, start);
  const newline = buffer.subarray(0, bytesRead).lastIndexOf(0x0a);
  return newline === -1 ? to : start + newline + 1;
}

function copiesIn(home: string): (LogPart & { readonly to: number })[] {
  const copies = names(home).flatMap((name) => {
    const [, from, to] = /^log\.(\d+)-(\d+)$/.exec(name) ?? [];
    if (from === undefined || to === undefined) return [];
    return [{ path: join(home, name), from: Number(from), to: Number(to), origin: Number(from) }];
  });
  return copies.sort((a, b) => a.from - b.from);
}

function drop(home: string): void {
  for (const { path } of copiesIn(home).slice(0, -keptLogs)) rmSync(path, { force: true });
}

function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readRuns(home: string): readonly LogRun[] {
  try {
    const lines = readFileSync(join(home, "log.runs"), "utf8").split("\n");
    return lines.flatMap((line) => parseRun(line));
  } catch {
    return [];
  }
}

/** A crash may have cut the last line. */
function parseRun(line: string): readonly LogRun[] {
  try {
    const { run: name, at, from, origin } = JSON.parse(line);
    if (typeof name === "string" && [at, from, origin].every(Number.isSafeInteger))
      return [{ run: name, at, from, origin }];
  } catch {
    // Left out.
  }
  return [];
}

function replaceRuns(home: string, text: string): void {
  const temporary = join(home, "log.runs.new");
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, join(home, "log.runs"));
}
