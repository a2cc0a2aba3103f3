import { resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import {
  compareDirectoryIndex,
  compareLedgerIndex,
  ledgerStatus,
  reindexDirectory,
  renewLedgerIndex,
} from "@daruma/ledger";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { mayComeBack, pause } from "../instance/patience.ts";
import { patienceMs } from "./ledger-read.ts";

export interface ReindexInput {
  readonly args: { readonly DIR: string | undefined };
  readonly options: { readonly check: boolean; readonly state: string | undefined };
}

const lookEveryMs = 200;
const tellEveryMs = 1000;

export async function ledgerReindex(context: Context, { args, options }: ReindexInput): Promise<ExitCode> {
  const directory = args.DIR === undefined ? null : resolve(context.cwd, args.DIR);
  const socket =
    directory === null ? (await locateInstance(options.state, context)).sockets.operatorLedger : "";
  if (options.check) {
    const { entries, differences } =
      directory === null ? await compareLedgerIndex({ socket }) : await compareDirectoryIndex(directory);
    await context.output.result({ schemaVersion: 1, entries, differences } as const, () => [
      differences === 0
        ? `the index of ${entries} entries is what they make it`
        : `the index of ${entries} entries is wrong in ${differences} places; make it anew without --check`,
    ]);
    return differences === 0 ? exitCode.ok : exitCode.error;
  }
  const onProgress = progressOf(context);
  const entries =
    directory === null
      ? await reindexServed(context, socket, onProgress)
      : await reindexDirectory(directory, { onProgress, signal: context.interrupt });
  await context.output.result({ schemaVersion: 1, entries } as const, () => [`indexed ${entries} entries`]);
  return exitCode.ok;
}

function progressOf({ output }: Context): (indexed: number, entries: number) => void {
  let told = performance.now();
  return (indexed, entries) => {
    if (performance.now() - told < tellEveryMs) return;
    told = performance.now();
    output.progress(`indexed ${indexed} of ${entries} entries`);
  };
}

/** ledgerd goes on by itself, over its restarts too: whoever does not wait misses nothing. */
async function reindexServed(
  { interrupt }: Context,
  socket: string,
  onProgress: (indexed: number, entries: number) => void,
): Promise<number> {
  const { entries } = await renewLedgerIndex({ socket });
  let awaySince: number | null = null;
  for (;;) {
    try {
      const { indexed } = await ledgerStatus({ socket });
      awaySince = null;
      if (indexed >= entries) return entries;
      onProgress(indexed, entries);
    } catch (error) {
      awaySince ??= performance.now();
      if (!mayComeBack(error) || performance.now() - awaySince > patienceMs) throw error;
    }
    await pause(lookEveryMs, interrupt);
  }
}
