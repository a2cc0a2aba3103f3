import { open } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

/** The end of what an agent has written itself, and where it was read. */
export interface LogLines {
  readonly source: string;
  readonly lines: readonly string[];
}

const lineCount = 20;
const readBytes = 64 * 1024;
const journalTimeoutMs = 10_000;

/** An agent says the most just before it fails: so long before the incident its log is looked at. */
const beforeMs = 60_000;

/**
 * The last lines of an agent's log: under `agentctl dev` of the file, which bears no times and so ends now; on a host of the journal
 * from a minute before the incident until it was over. `null` where there is none to be read, which is no error.
 */
export async function readLog(
  state: string | null,
  agent: string,
  { began, ended }: { readonly began: string; readonly ended: string | null },
): Promise<LogLines | null> {
  // Only a name that a fleet can have leads to a file or a unit.
  if (!/^[a-z0-9][a-z0-9-]*$/.test(agent)) return null;
  if (state !== null) return await readFile(join(state, "agents", agent, "log"));
  return await readJournal(`daruma-agent-${agent}`, Date.parse(began) - beforeMs, ended);
}

async function readFile(path: string): Promise<LogLines | null> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    const from = Math.max(0, size - readBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(readBytes), 0, readBytes, from);
    return linesOf(path, buffer.toString("utf8", 0, bytesRead));
  } catch {
    return null;
  }
}

async function readJournal(unit: string, sinceMs: number, until: string | null): Promise<LogLines | null> {
  const args = ["-u", unit, "--no-pager", "-q", "-o", "short-iso", "-n", String(lineCount)];
  args.push("--since", `@${Math.floor(sinceMs / 1000)}`);
  if (until !== null) args.push("--until", `@${Math.ceil(Date.parse(until) / 1000)}`);
  const { failed, stdout } = await execa("journalctl", args, {
    reject: false,
    stdin: "ignore",
    timeout: journalTimeoutMs,
  });
  return failed ? null : linesOf(`journalctl -u ${unit}`, stdout);
}

function linesOf(source: string, text: string): LogLines | null {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.length === 0 ? null : { source, lines: lines.slice(-lineCount) };
}
