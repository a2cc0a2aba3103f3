import { setTimeout as sleep } from "node:timers/promises";
import { type ExitCode, exitCode } from "@daruma/base";
import { compareLedgerIndex, ledgerStatus, renewLedgerIndex } from "@daruma/ledger";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";

export interface ReindexInput {
  readonly options: { readonly check: boolean; readonly state: string | undefined };
}

const lookEveryMs = 200;
const tellEveryMs = 2000;

export async function ledgerReindex(context: Context, { options }: ReindexInput): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  if (options.check) {
    const document = await compareLedgerIndex({ socket });
    await context.output.result(document, () => [
      document.differences === 0
        ? `the index of ${document.entries} entries is what they make it`
        : `the index of ${document.entries} entries is wrong in ${document.differences} places; make it anew without --check`,
    ]);
    return document.differences === 0 ? exitCode.ok : exitCode.error;
  }
  const { entries } = await renewLedgerIndex({ socket });
  await untilIndexed(context, socket, entries);
  await context.output.result({ schemaVersion: 1, entries } as const, () => [`indexed ${entries} entries`]);
  return exitCode.ok;
}

/** ledgerd goes on by itself: whoever does not wait misses nothing. */
async function untilIndexed({ output, interrupt }: Context, socket: string, entries: number): Promise<void> {
  let told = performance.now();
  for (;;) {
    const { indexed } = await ledgerStatus({ socket });
    if (indexed >= entries) return;
    if (performance.now() - told > tellEveryMs) {
      told = performance.now();
      output.progress(`indexed ${indexed} of ${entries} entries`);
    }
    await sleep(lookEveryMs);
    interrupt.throwIfAborted();
  }
}
