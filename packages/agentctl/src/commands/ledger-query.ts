import { type ExitCode, exitCode } from "@daruma/base";
import {
  type EntryFilter,
  faultOfFilter,
  filterNames,
  ledgerStatus,
  readEntries,
  type StoredEntry,
} from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { followEntries } from "../story/follow.ts";
import { storyLine } from "../story/line.ts";
import { patienceMs } from "./ledger-read.ts";
import { timeOf } from "./times.ts";

type FilterOptions = { readonly [K in keyof EntryFilter]-?: string | undefined };

export interface QueryInput {
  readonly options: FilterOptions & {
    readonly limit: number | undefined;
    readonly follow: boolean;
    readonly state: string | undefined;
  };
}

export async function ledgerQuery(context: Context, { options }: QueryInput): Promise<ExitCode> {
  const filter = filterOf(options);
  const { sockets } = await locateInstance(options.state, context);
  const question = { socket: sockets.operatorLedger, filter, signal: context.interrupt };
  const entries = found(question, options.limit, options.follow);
  for await (const { entry, line } of entries) {
    await context.output.record(line, () => storyLine(entry, { paint: context.output.paint, date: true }));
  }
  return exitCode.ok;
}

interface Question {
  readonly socket: string;
  readonly filter: EntryFilter;
  readonly signal: AbortSignal;
}

/** What is there by now, and with `follow` then what comes: across restarts of ledgerd, without gaps and without repeats. */
async function* found(
  question: Question,
  newest: number | undefined,
  follow: boolean,
): AsyncGenerator<StoredEntry, void, undefined> {
  const { head } = await ledgerStatus({ socket: question.socket });
  const before = head.seq + 1;
  yield* readEntries({ ...question, before, ...(newest === undefined ? {} : { newest }) });
  if (follow) yield* followEntries({ ...question, after: head.seq, patienceMs });
}

/** @throws CLI_E_USAGE */
function filterOf(options: FilterOptions): EntryFilter {
  const given: [string, string][] = [];
  for (const name of filterNames) {
    const text = options[name];
    if (text === undefined) continue;
    const value = name === "since" || name === "until" ? timeOf(name, text) : text;
    const fault = faultOfFilter(name, value);
    if (fault !== null) throw agentctlErrors.make("CLI_E_USAGE", `--${fault}`);
    given.push([name, value]);
  }
  return Object.fromEntries(given);
}
