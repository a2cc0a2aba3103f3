import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "@daruma/base";
import { execa } from "execa";

/** The end of what an agent has written itself. It is no evidence: whoever can write there can change it. */
export interface LogLines {
  readonly fromLedger: false;
  /** Where it was read. */
  readonly source: string;
  /** What part of the log it is. */
  readonly extent: string;
  readonly lines: readonly string[];
}

/** Why there are none. */
export interface NoLog {
  readonly fromLedger: false;
  readonly source: string;
  readonly missing: string;
}

const lineCount = 20;
const readBytes = 64 * 1024;
const journalTimeoutMs = 10_000;

/**
 * The last lines of an agent's log: on a host of the journal, up to the second of the first failure; under `agentctl dev` of the
 * file, which bears no times and so ends now. That there are none is no error, but is said.
 *
 * @param began when the agent failed (RFC 3339)
 */
export async function readLog(state: string | null, agent: string, began: string): Promise<LogLines | NoLog> {
  // Only a name that a fleet can have leads to a file or a unit.
  if (!/^[a-z][a-z0-9-]*$/.test(agent)) {
    return { fromLedger: false, source: "none", missing: "the subject is not the name of an agent" };
  }
  if (state !== null) return await readFile(join(state, "agents", agent, "log"));
  return await readJournal(`daruma-agent-${agent}`, began);
}

async function readFile(path: string): Promise<LogLines | NoLog> {
  const where = { fromLedger: false, source: path } as const;
  try {
    // The agent itself may have put something else in its place.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const { size } = await file.stat();
    const from = Math.max(0, size - readBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(readBytes), 0, readBytes, from);
    // Where its beginning was copied away there is a hole, which reads as NUL (watchd's log-files.ts).
    const lines = linesOf(buffer.toString("utf8", 0, bytesRead).replace(/^\0+/, ""));
    if (lines.length === 0) return { ...where, missing: "it is empty" };
    return { ...where, extent: "its last lines as of now: it bears no times", lines };
  } catch (error) {
    return { ...where, missing: `it cannot be read (${systemCode(error) ?? "unknown error"})` };
  }
}

async function readJournal(unit: string, began: string): Promise<LogLines | NoLog> {
  const until = `@${Math.ceil(Date.parse(began) / 1000)}`;
  const args = ["-u", unit, "--no-pager", "-q", "-o", "short-iso-precise", "-n", String(lineCount)];
  const command = [...args, "--until", until];
  const where = { fromLedger: false, source: `journalctl -u ${unit}` } as const;
  const { failed, stdout, exitCode } = await execa("journalctl", command, {
    reject: false,
    stdin: "ignore",
    timeout: journalTimeoutMs,
  });
  if (failed) {
    const why = exitCode === undefined ? "journalctl could not be run" : `journalctl exited with ${exitCode}`;
    return { ...where, missing: why };
  }
  const lines = linesOf(stdout);
  if (lines.length === 0) return { ...where, missing: "it has no line that may be read here" };
  return { ...where, extent: `its last lines up to ${began}`, lines };
}

function linesOf(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .slice(-lineCount);
}
