import { type ExitCode, exitCode } from "@daruma/base";
import { routineSubject } from "@daruma/config";
import { type EntryFilter, ledgerStatus, type StoredEntry } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { collectEntries } from "../story/collect.ts";
import { followEntries } from "../story/follow.ts";
import { storyLine } from "../story/line.ts";
import { patienceMs } from "./ledger-read.ts";

export interface EgressLogInput {
  readonly options: {
    readonly agent: string | undefined;
    readonly routine: string | undefined;
    readonly denied: boolean;
    readonly lines: number;
    readonly follow: boolean;
    readonly state: string | undefined;
  };
}

/** What egressd writes, and what of it tells of a refusal. */
const everything = "egress.*";
const denials: readonly string[] = ["egress.deny", "egress.would-deny"];

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
  const filter = filterOf(everything, subjectOf(options));
  for await (const stored of followEntries({ socket, after: head.seq, filter, signal, patienceMs })) {
    if (!options.denied || denials.includes(stored.entry.action)) await print(stored);
  }
  return exitCode.ok;
}

/** The newest that are wanted, oldest first. */
async function lastOf(
  socket: string,
  last: number,
  options: EgressLogInput["options"],
  signal: AbortSignal,
): Promise<readonly StoredEntry[]> {
  const { denied, lines } = options;
  if (lines === 0) return [];
  const about = { socket, before: last + 1, newest: lines, signal };
  const ask = (action: string) => collectEntries({ ...about, filter: filterOf(action, subjectOf(options)) });
  const found = (await Promise.all((denied ? denials : [everything]).map(ask))).flat();
  return found.sort((a, b) => a.entry.seq - b.entry.seq).slice(-lines);
}

/** Of whom the ledger is asked; undefined of all. */
export function subjectOf({
  agent,
  routine,
}: Pick<EgressLogInput["options"], "agent" | "routine">): string | undefined {
  if (agent !== undefined && routine !== undefined)
    throw agentctlErrors.make("CLI_E_USAGE", "--agent and --routine are one too many");
  return routine === undefined ? agent : routineSubject(routine);
}

function filterOf(action: string, subject: string | undefined): EntryFilter {
  return { action, ...(subject === undefined ? {} : { subject }) };
}
