import { open } from "node:fs/promises";
import { join } from "node:path";
import { type ExitCode, exitCode, systemCode } from "@daruma/base";
import { type EntryFilter, ledgerStatus, readEntries, type StoredEntry } from "@daruma/ledger";
import { execa } from "execa";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { watchdClient } from "../instance/watchd-client.ts";
import { followEntries } from "../story/follow.ts";
import { storyLine } from "../story/line.ts";
import { patienceMs } from "./ledger-read.ts";

interface Named {
  readonly args: { readonly NAME: string };
}

interface HistoryOptions {
  readonly run: string | undefined;
  readonly lines: number;
  readonly state: string | undefined;
}

/** `agentctl routine history NAME` */
export async function routineHistory(
  context: Context,
  { args, options }: Named & { readonly options: HistoryOptions & { readonly follow: boolean } },
): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  const signal = context.interrupt;
  const filter: EntryFilter = {
    action: "routine.*",
    subject: args.NAME,
    ...(options.run === undefined ? {} : { run: options.run }),
  };
  const { head } = await ledgerStatus({ socket });
  const print = ({ entry, line }: StoredEntry) =>
    context.output.record(line, () => storyLine(entry, { paint: context.output.paint, date: true }));
  if (options.lines > 0) {
    const about = { socket, filter, before: head.seq + 1, newest: options.lines, signal };
    for await (const stored of readEntries(about)) await print(stored);
  }
  if (!options.follow) return exitCode.ok;
  for await (const stored of followEntries({ socket, after: head.seq, filter, signal, patienceMs })) {
    await print(stored);
  }
  return exitCode.ok;
}

/** No more than this is read of a log. */
const readBytes = 4 * 1024 * 1024;

/** `agentctl routine logs NAME` */
export async function routineLogs(
  context: Context,
  { args, options }: Named & { readonly options: HistoryOptions },
): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const { routine } = await watchdClient(sockets.watchd).routine(args.NAME);
  const wanted = options.run;
  const found = routine.files.find(({ run }) => wanted === undefined || run === wanted);
  if (found === undefined) {
    const what = wanted === undefined ? "no run of it has begun" : `there are no files of ${wanted}`;
    throw agentctlErrors.make("ROUTINE_E_NO_LOG", `${args.NAME}: ${what}`);
  }
  const { unit, directory, run } = found;
  const path = unit === null ? join(directory, "log") : null;
  const all = path === null ? await ofJournal(unit ?? "", options.lines) : await endOf(path);
  const lines = all.slice(-options.lines || Number.POSITIVE_INFINITY);
  const document = { schemaVersion: 1, routine: args.NAME, run, path, unit, lines } as const;
  await context.output.result(document, () => lines);
  return exitCode.ok;
}

const journalTimeoutMs = 30_000;

/** What the programs of a unit have written, without what systemd says of it. @throws ROUTINE_E_NO_LOG */
async function ofJournal(unit: string, count: number): Promise<readonly string[]> {
  const number = ["-n", count === 0 ? "all" : String(count)];
  const args = ["--no-pager", "-q", "-o", "cat", ...number, `_SYSTEMD_UNIT=${unit}`];
  const { failed, stdout, exitCode, stderr } = await execa("journalctl", args, {
    reject: false,
    stdin: "ignore",
    timeout: journalTimeoutMs,
  });
  if (!failed) return stdout === "" ? [] : stdout.split("\n");
  const why =
    exitCode === undefined ? "journalctl could not be run" : stderr.trim() || `exit code ${exitCode}`;
  throw agentctlErrors.make("ROUTINE_E_NO_LOG", `the journal of ${unit} cannot be read: ${why}`, {
    where: unit,
  });
}

/** @throws ROUTINE_E_NO_LOG */
async function endOf(path: string): Promise<readonly string[]> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const from = Math.max(0, size - readBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, readBytes)), 0, null, from);
    const text = buffer.toString("utf8", 0, bytesRead);
    return text === "" ? [] : text.replace(/\n$/, "").split("\n");
  } catch (cause) {
    const why = systemCode(cause) ?? "unknown error";
    throw agentctlErrors.make("ROUTINE_E_NO_LOG", `${path} cannot be read (${why})`, { where: path, cause });
  }
}
