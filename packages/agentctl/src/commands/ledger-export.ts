import { type ExitCode, exitCode } from "@daruma/base";
import {
  type CheckpointDocument,
  ExportWriter,
  ledgerCheckpoint,
  ledgerErrors,
  ledgerStatus,
  ledgerWitnesses,
  prefixProof,
  readEntries,
  type Selection,
  signLedger,
} from "@daruma/ledger";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { writeExport } from "./export-file.ts";
import { timeOf } from "./times.ts";

export interface ExportInput {
  readonly options: {
    readonly out: string | undefined;
    readonly since: string | undefined;
    readonly until: string | undefined;
    readonly actor: string | undefined;
    readonly action: string | undefined;
    readonly subject: string | undefined;
    readonly state: string | undefined;
  };
}

export async function ledgerExport(context: Context, { options }: ExportInput): Promise<ExitCode> {
  const selection = selectionOf(options);
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  const checkpoints = await checkpointsOf(socket);
  const size = checkpoints.at(-1)?.size ?? 0;
  const { pruned } = await ledgerStatus({ socket });
  if (pruned > 0) await checkSelection(socket, selection, pruned);
  const prefix = pruned === 0 ? undefined : await prefixProof({ socket }, pruned);
  const writer = new ExportWriter({ selection, checkpoints, pruned: prefix });
  // Entries that come while this runs are for the next export; should some be pruned meanwhile, ledgerd refuses.
  const range = { after: pruned, limit: size - pruned, signal: context.interrupt };
  const entries = size === 0 ? nothing() : readEntries({ socket, ...range });
  const blocks = writer.blocks(entries);
  if (options.out === undefined) {
    for await (const block of blocks) await context.output.jsonLines(block);
    return exitCode.ok;
  }
  const file = await writeExport(context.cwd, options.out, blocks);
  const { written, last } = writer;
  const document = { schemaVersion: 1, file, entries: written, treeSize: size, headHash: last.hash } as const;
  await context.output.result(document, () => [
    `wrote ${written} ${written === size ? "entries" : `of ${size} entries`} to ${file}`,
    `head: ${last.hash}`,
  ]);
  return exitCode.ok;
}

/** What goes in the export: what witnesses have taken and, as the last, one over everything that there is now. */
async function checkpointsOf(socket: string): Promise<readonly CheckpointDocument[]> {
  const { head } = await ledgerStatus({ socket });
  if (head.seq === 0) return [];
  const last = await signLedger({ socket });
  const { witnesses } = await ledgerWitnesses({ socket });
  const sizes = new Set(witnesses.map(({ size }) => size).filter((size) => size > 0 && size < last.size));
  const taken = await Promise.all([...sizes].map((size) => ledgerCheckpoint({ socket }, size)));
  // Asked for again: a witness may have signed it meanwhile.
  return [...taken, await ledgerCheckpoint({ socket }, last.size)];
}

/** A range shows the entry before it. Where that was pruned, nobody could tell that the range is whole. */
async function checkSelection(socket: string, selection: Selection, pruned: number): Promise<void> {
  const { since, until, ...filters } = selection;
  if ((since ?? until) === undefined || Object.keys(filters).length > 0) return;
  for await (const { entry } of readEntries({ socket, after: pruned, limit: 1 })) {
    if (since !== undefined && since > entry.time) return;
    const message = `entries up to ${pruned} were pruned, and the range would begin with the first one that is left`;
    const hint = `Export all that there is, or give a --since that is later than ${entry.time}.`;
    throw ledgerErrors.make("LEDGER_E_PRUNED", message, { hint });
  }
}

async function* nothing(): AsyncGenerator<never, void, undefined> {}

/** @throws CLI_E_USAGE */
function selectionOf({ since, until, actor, action, subject }: ExportInput["options"]): Selection {
  return {
    ...(since === undefined ? {} : { since: timeOf("since", since) }),
    ...(until === undefined ? {} : { until: timeOf("until", until) }),
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(subject === undefined ? {} : { subject }),
  };
}
