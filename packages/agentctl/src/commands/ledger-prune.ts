import { type ExitCode, exitCode } from "@daruma/base";
import { ledgerErrors, ledgerPrunePlan, type PrunePlanDocument, pruneLedger } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { timeOf } from "./times.ts";

export interface PruneInput {
  readonly options: {
    readonly before: string | undefined;
    readonly reason: string | undefined;
    readonly "dry-run": boolean;
    readonly yes: boolean;
    readonly state: string | undefined;
  };
}

export async function ledgerPrune(context: Context, { options }: PruneInput): Promise<ExitCode> {
  const { reason } = options;
  const before = timeOf("before", options.before ?? missing("before"));
  if (reason === undefined && !options["dry-run"]) missing("reason");
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  const plan = await ledgerPrunePlan({ socket }, before);
  const { earlier, pruned, through, signed } = plan;
  const document = { schemaVersion: 1, before, earlier, from: pruned + 1, through, signed } as const;
  const entries = through - pruned;
  if (reason === undefined || options["dry-run"] || entries === 0) {
    await context.output.result({ ...document, entries, seq: null }, () => [announcement(plan, before)]);
    return exitCode.ok;
  }
  // Said before anybody is asked; ledgerd looks again.
  if (through > signed) {
    const message = `entries up to ${through} would go, and the last checkpoint is over ${signed}`;
    throw ledgerErrors.make("LEDGER_E_NOT_SIGNED", message);
  }
  context.output.note(announcement(plan, before));
  if (!options.yes) await consent(context, entries);
  const done = await pruneLedger({ socket }, { before, through, reason });
  await context.output.result({ ...document, entries, seq: done.seq }, () => [
    `pruned ${entries} entries; entry ${done.seq} says so, and the indexes are being made anew`,
  ]);
  return exitCode.ok;
}

function announcement({ earlier, pruned, through }: PrunePlanDocument, before: string): string {
  const asked = earlier > pruned ? `${pruned + 1} to ${earlier}` : "none that are left";
  const asks = `earlier than ${before}: ${asked}`;
  if (through === pruned)
    return `nothing to prune (${asks}; blocks of 256 go, and the newest 1,280 entries stay)`;
  return `entries ${pruned + 1} to ${through} go, the hashes that stand for them stay (${asks})`;
}

async function consent(context: Context, entries: number): Promise<void> {
  const answer = await context.confirm(`Delete ${entries} entries for good?`);
  if (answer === true) return;
  if (answer === null) {
    throw agentctlErrors.make("CLI_E_CONFIRM", "pruning needs a yes, and there is no terminal to ask on");
  }
  throw agentctlErrors.make("CLI_E_DECLINED", "nothing was pruned");
}

function missing(option: string): never {
  throw agentctlErrors.make("CLI_E_USAGE", `--${option} is missing`);
}
