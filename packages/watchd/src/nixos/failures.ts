import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, systemCode } from "@daruma/base";
import type { LedgerRecord } from "../policy/events.ts";
import { type RollbackResult, readRollbackResult } from "./rollback-result.ts";

/** What failed.sh did while no watchd was there: `failed/ID.record` in watchd's state directory. */
export interface WatchdFailure {
  readonly id: string;
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly decision: "rollback" | "alert";
  /** The generation in which watchd failed. */
  readonly from: string;
  /** Null where nothing was rolled back. */
  readonly target: string | null;
  /** Id of the rollback: that of the failure, or of the one that watchd itself had decided. */
  readonly rollback: string | null;
  readonly why: readonly string[];
  /** As systemd told it: `$MONITOR_SERVICE_RESULT`, `$MONITOR_EXIT_CODE`, `$MONITOR_EXIT_STATUS` (systemd.exec(5)). */
  readonly serviceResult: string;
  readonly exitCode: string;
  readonly exitStatus: string;
  /** Null where the rollback program did not come to its end, or there was none. */
  readonly outcome: RollbackResult | null;
}

export interface Failures {
  /** Those that nobody has been told of, oldest first. */
  untold(): Promise<readonly WatchdFailure[]>;
  /**
   * To be called once the entries of it are durable. The record is kept under another name: a generation that was left
   * because of watchd is not left so again.
   */
  markTold(id: string): Promise<void>;
  /** A person vouches for the generation `path`: it may be left again. */
  forgive(path: string): Promise<void>;
}

const untoldName = /^(failed-[0-9]+-[0-9]+)\.record$/;
const toldName = /^(failed-[0-9]+-[0-9]+)\.told$/;
/** Far more than there are generations on a host. */
const keptTold = 200;

export function createFailures(options: { readonly state: string }): Failures {
  const directory = join(options.state, "failed");
  const read = async (id: string, suffix: string) =>
    parseRecord(id, await readFile(join(directory, `${id}.${suffix}`), "utf8"));
  const remove = async (id: string) => {
    await rm(join(directory, `${id}.told`), { force: true });
    await rm(join(directory, `${id}.result`), { force: true });
  };
  return {
    async untold() {
      const found: WatchdFailure[] = [];
      for (const id of await idsIn(directory, untoldName)) {
        const { result, ...failure } = await read(id, "record");
        const outcome = result === null ? null : await readRollbackResult(result);
        found.push({ ...failure, outcome: outcome?.id === failure.rollback ? outcome : null });
      }
      return found;
    },
    async markTold(id) {
      await rename(join(directory, `${id}.record`), join(directory, `${id}.told`));
      for (const old of (await idsIn(directory, toldName)).slice(0, -keptTold)) await remove(old);
      await syncDirectory(directory);
    },
    async forgive(path) {
      for (const id of await idsIn(directory, toldName)) {
        if ((await read(id, "told")).from === path) await remove(id);
      }
    },
  };
}

/** The ledger entries that a failure amounts to. Its id is the incident that they share. */
export function entriesOf(failure: WatchdFailure): readonly LedgerRecord[] {
  const { id, at, decision, from, why, serviceResult, exitCode, exitStatus } = failure;
  const first: LedgerRecord = {
    action: "watchd.failed",
    subject: "watchd",
    incident: id,
    at,
    severity: "critical",
    details: { generation: from, decision, why: [...why], serviceResult, exitCode, exitStatus },
  };
  return [first, ...rollbackEntries(failure)];
}

function rollbackEntries(failure: WatchdFailure): readonly LedgerRecord[] {
  const { id: incident, at, from, target: subject, rollback, outcome } = failure;
  if (subject === null || rollback === null) return [];
  const shared = { subject, incident };
  const by = "watchd-failed";
  const begun: LedgerRecord = {
    ...shared,
    action: "generation.rollback",
    at,
    severity: "critical",
    details: { rollback, by, from },
  };
  if (outcome === null) return [begun];
  const { bootExit, switchExit, verdict, problems, finishedAt } = outcome;
  const switched = verdict === "switched";
  const ended: LedgerRecord = {
    ...shared,
    action: switched ? "generation.rolled-back" : "generation.rollback-failed",
    at: finishedAt,
    severity: switched ? "warning" : "critical",
    details: { rollback, by, from, verdict, bootExit, switchExit, problems: [...problems] },
  };
  return [begun, ended];
}

/** Ids are made of the time and a pid; the oldest come first. */
async function idsIn(directory: string, name: RegExp): Promise<string[]> {
  const files = await readdir(directory).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  });
  const ids = files.flatMap((file) => name.exec(file)?.[1] ?? []);
  return ids.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** The format is that of failed.sh. Words that are not known come from a later release. */
function parseRecord(id: string, text: string): Omit<WatchdFailure, "outcome"> & { result: string | null } {
  const lines = text.split("\n").map((line) => /^(\S+) ?(.*)$/.exec(line));
  const all = (word: string) => lines.flatMap((line) => (line?.[1] === word ? [line[2] ?? ""] : []));
  const one = (word: string) => all(word)[0] ?? "";
  const oneOrNull = (word: string) => all(word)[0] ?? null;
  return {
    id,
    at: Number(one("at")),
    decision: one("decision") === "rollback" ? "rollback" : "alert",
    from: one("from"),
    target: oneOrNull("target"),
    rollback: oneOrNull("rollback"),
    result: oneOrNull("result"),
    why: all("why"),
    serviceResult: one("service-result"),
    exitCode: one("exit-code"),
    exitStatus: one("exit-status"),
  };
}
