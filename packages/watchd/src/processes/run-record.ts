import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { systemCode } from "@daruma/base";
import { isUnitName } from "./markers.ts";

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

/** Every record is padded to this, far less than one page. */
const recordBytes = 2048;

/**
 * Writes the agent's record over its last one, in one write(2) within one page: the kernel lets no signal in between, so
 * that whoever comes after us finds the old record or the new one. In place, since making a new file and renaming it can
 * wait for the journal of a busy file system, and on this an agent's recovery waits. Not synced: a record means nothing
 * after a reboot.
 */
export function writeRecord(directory: string, record: RunRecord): void {
  const text = JSON.stringify({ schemaVersion: 1, ...record }).padEnd(recordBytes - 1);
  const bytes = Buffer.from(`${text}\n`);
  if (bytes.length !== recordBytes)
    throw new Error(`a run record must fit into ${recordBytes} bytes of ASCII`);
  const descriptor = openForWriting(directory, `${record.agent}${suffix}`);
  try {
    if (writeSync(descriptor, bytes, 0, recordBytes, 0) !== recordBytes)
      throw new Error("no space for the run record");
  } finally {
    closeSync(descriptor);
  }
}

function openForWriting(directory: string, name: string): number {
  const open = () => openSync(join(directory, name), constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    return open();
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    mkdirSync(directory, { recursive: true });
    return open();
  }
}

/** Of a run of a routine, of which nothing is left: its name never comes back. */
export function removeRecord(directory: string, name: string): void {
  rmSync(join(directory, `${name}${suffix}`), { force: true });
}

/** Removes the records of all runs but these: what a watchd that was killed could not. */
export function removeOtherRecords(directory: string, names: ReadonlySet<string>): void {
  for (const { agent } of readRecords(directory)) if (!names.has(agent)) removeRecord(directory, agent);
}

/** Every record that can be read; one that was torn by a power cut is of another boot and worth nothing. */
export function readRecords(directory: string): readonly RunRecord[] {
  const records: RunRecord[] = [];
  for (const name of readdirSync(directory)) {
    if (!name.endsWith(suffix)) continue;
    const record = parseRecord(readFileSync(join(directory, name), "utf8"));
    if (record !== null && isUnitName(record.agent) && `${record.agent}${suffix}` === name)
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
