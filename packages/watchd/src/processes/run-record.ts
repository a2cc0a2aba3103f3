import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAgentName } from "./markers.ts";

/** Which process is an agent's run, for a watchd that comes after us. */
export interface RunRecord {
  readonly agent: string;
  readonly runId: string;
  readonly digest: string;
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTicks: number;
  readonly bootId: string;
  /** Which state directory it is: a copy of the directory must not claim the original's agents. */
  readonly owner: string;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
}

const suffix = ".json";

/**
 * Replaces the agent's record as a whole. Not synced: a record means nothing after a reboot, and what was written
 * survives the death of any process without it.
 */
export function writeRecord(directory: string, record: RunRecord): void {
  const path = join(directory, `${record.agent}${suffix}`);
  const temporary = `${path}.tmp`;
  const text = JSON.stringify({ schemaVersion: 1, ...record });
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(directory, { recursive: true });
    writeFileSync(temporary, text, { mode: 0o600 });
  }
  renameSync(temporary, path);
}

/** Every record that can be read; one that was torn by a power cut is of another boot and worth nothing. */
export function readRecords(directory: string): readonly RunRecord[] {
  const records: RunRecord[] = [];
  for (const name of readdirSync(directory)) {
    if (!name.endsWith(suffix)) continue;
    const record = parseRecord(readFileSync(join(directory, name), "utf8"));
    if (record !== null && isAgentName(record.agent) && `${record.agent}${suffix}` === name)
      records.push(record);
  }
  return records;
}

function parseRecord(text: string): RunRecord | null {
  let value: Partial<RunRecord> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { agent, runId, digest, pid, startTicks, bootId, owner, startedAt } = value;
  if (typeof agent !== "string" || typeof runId !== "string" || typeof digest !== "string") return null;
  if (typeof bootId !== "string" || typeof owner !== "string" || typeof startedAt !== "number") return null;
  if (typeof pid !== "number" || typeof startTicks !== "number") return null;
  if (!Number.isInteger(pid) || pid <= 0 || !Number.isInteger(startTicks)) return null;
  return { agent, runId, digest, pid, startTicks, bootId, owner, startedAt };
}
