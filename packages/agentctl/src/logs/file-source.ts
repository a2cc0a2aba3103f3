import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "@daruma/base";
import { type AgentLog, type LogPart, type LogRun, readAgentLog } from "@daruma/watchd";
import { agentctlErrors } from "../catalogue.ts";
import { pause } from "../instance/patience.ts";
import { informational, type LogSource, type SourceLine, type SourceQuery } from "./log-line.ts";

const chunkBytes = 256 * 1024;
/** A longer line is passed on in pieces. */
const longestLine = 256 * 1024;
const lookMs = 200;

/**
 * The logs of `agentctl dev`: files, which agents write themselves, so that lines bear no times; in which run one was written is
 * known by where it is.
 */
export function fileSource(state: string): LogSource {
  return (query) => lines(join(state, "agents", query.agent), query);
}

async function* lines(home: string, query: SourceQuery): AsyncGenerator<SourceLine, void, undefined> {
  const { agent, follow, signal } = query;
  let position = await begin(home, query);
  let rest = Buffer.alloc(0);
  for (;;) {
    signal.throwIfAborted();
    const log = readAgentLog(home);
    const oldest = log.parts[0]?.from ?? 0;
    if (position + rest.length < oldest) {
      query.onLost?.(oldest - position);
      rest = Buffer.alloc(0);
      position = oldest;
    }
    const chunk = await readAt(log, position + rest.length);
    // What is read of a file while its beginning is copied away may be a hole by now: then it is in the copy.
    if (chunk !== null && isStale(home, log, position + rest.length)) continue;
    if (chunk === null || chunk.length === 0) {
      if (!follow) {
        if (rest.length > 0) yield lineOf(agent, log.runs, position, rest);
        return;
      }
      await pause(lookMs, signal);
      continue;
    }
    let bytes = Buffer.concat([rest, chunk]);
    for (let end = bytes.indexOf(0x0a); end !== -1 || bytes.length > longestLine; end = bytes.indexOf(0x0a)) {
      const isWhole = end !== -1 && end <= longestLine;
      const length = isWhole ? end + 1 : longestLine;
      yield lineOf(agent, log.runs, position, bytes.subarray(0, length));
      position += length;
      bytes = bytes.subarray(length);
    }
    rest = Buffer.from(bytes);
  }
}

/** The position of the first line that is wanted. */
async function begin(home: string, { after, sinceMs, newest }: SourceQuery): Promise<number> {
  const log = readAgentLog(home);
  const oldest = log.parts[0]?.from ?? 0;
  if (after !== undefined) {
    const end = await endOf(log.parts.at(-1));
    if (/^\d+$/.test(after) && Number(after) <= end) return Number(after);
    throw agentctlErrors.make("STREAM_E_CURSOR", `the cursor is at ${after}, and the log ends at ${end}`);
  }
  const since = sinceMs === undefined ? oldest : aliveSince(log.runs, sinceMs);
  const from = Math.max(oldest, since);
  return newest === undefined ? from : Math.max(from, await startOfNewest(log, newest));
}

/** Where the run begins that was there at the moment: all that follows was written by it, or later. */
function aliveSince(runs: readonly LogRun[], sinceMs: number): number {
  return runs.findLast(({ at }) => at <= sinceMs)?.from ?? 0;
}

/** Counts line ends from the end backwards. */
async function startOfNewest(log: AgentLog, newest: number): Promise<number> {
  const end = await endOf(log.parts.at(-1));
  let missing = newest;
  for (let to = end; to > (log.parts[0]?.from ?? 0); ) {
    const part = log.parts.findLast(({ from }) => from < to);
    if (part === undefined) break;
    const from = Math.max(part.from, to - chunkBytes);
    const chunk = (await readAt(log, from, to - from)) ?? Buffer.alloc(0);
    for (let at = chunk.length - 1; at >= 0; at -= 1) {
      // The end of the last line is not the beginning of one.
      if (chunk[at] !== 0x0a || from + at + 1 === end) continue;
      missing -= 1;
      if (missing === 0) return from + at + 1;
    }
    to = from;
  }
  return newest === 0 ? end : 0;
}

async function endOf(part: LogPart | undefined): Promise<number> {
  if (part === undefined) return 0;
  const { path, from, origin } = part;
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    return origin + (await file.stat()).size;
  } catch {
    return from;
  }
}

/** What is at a position; null where there is no such file. */
async function readAt({ parts }: AgentLog, position: number, most = chunkBytes): Promise<Buffer | null> {
  const part = parts.find(({ from, to }) => position >= from && (to === null || position < to));
  if (part === undefined) return null;
  try {
    // The agent itself may have put something else in its place.
    await using file = await open(
      part.path,
      constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW,
    );
    const length = part.to === null ? most : Math.min(most, part.to - position);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position - part.origin);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  }
}

function isStale(home: string, before: AgentLog, position: number): boolean {
  const current = before.parts.at(-1);
  if (current === undefined || position < current.from) return false;
  return position < (readAgentLog(home).parts.at(-1)?.from ?? 0);
}

function lineOf(agent: string, runs: readonly LogRun[], position: number, bytes: Buffer): SourceLine {
  return {
    agent,
    timeUs: null,
    run: runs.findLast(({ from }) => from <= position)?.run ?? null,
    invocation: null,
    severity: informational,
    message: bytes.toString("utf8").replace(/\r?\n$/, ""),
    cursor: String(position + bytes.length),
  };
}
