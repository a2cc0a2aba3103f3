import { type ExitCode, exitCode } from "@daruma/base";
import { type Entry, ledgerStatus, readEntries, type StoredEntry } from "@daruma/ledger";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { followEntries } from "../story/follow.ts";
import { storyLine } from "../story/line.ts";

export interface EgressLogInput {
  readonly options: {
    readonly agent: string | undefined;
    readonly denied: boolean;
    readonly lines: number;
    readonly follow: boolean;
    readonly state: string | undefined;
  };
}

/** A ledgerd that is being restarted is back long before. */
const patienceMs = 10_000;

export async function egressLog(context: Context, { options }: EgressLogInput): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  const signal = context.interrupt;
  const { head } = await ledgerStatus({ socket });
  const print = (stored: StoredEntry) =>
    context.output.record(stored.line, () =>
      storyLine(stored.entry, { paint: context.output.paint, date: true }),
    );
  for (const stored of await lastOf(socket, head.seq, options, signal)) await print(stored);
  if (!options.follow) return exitCode.ok;
  for await (const stored of followEntries({ socket, after: head.seq, signal, patienceMs })) {
    if (isWanted(stored.entry, options)) await print(stored);
  }
  return exitCode.ok;
}

/** The last that are wanted. The ledger has no index of actions: all of it is read, and little of it kept. */
async function lastOf(
  socket: string,
  last: number,
  options: EgressLogInput["options"],
  signal: AbortSignal,
): Promise<readonly StoredEntry[]> {
  const kept: StoredEntry[] = [];
  if (options.lines === 0 || last === 0) return kept;
  for await (const stored of readEntries({ socket, after: 0, limit: last, signal })) {
    if (!isWanted(stored.entry, options)) continue;
    kept.push(stored);
    if (kept.length > options.lines) kept.shift();
  }
  return kept;
}

function isWanted({ action, subject }: Entry, { agent, denied }: EgressLogInput["options"]): boolean {
  if (!action.startsWith("egress.") || (agent !== undefined && subject !== agent)) return false;
  return !denied || action === "egress.deny" || action === "egress.would-deny";
}
