import { type ExitCode, exitCode } from "@daruma/base";
import { ledgerStatus, readEntries, type StoredEntry } from "@daruma/ledger";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { followEntries } from "../story/follow.ts";
import { storyLine } from "../story/line.ts";

export interface TailInput {
  readonly options: {
    readonly lines: number;
    readonly follow: boolean;
    readonly state: string | undefined;
  };
}

/** A ledgerd that is being restarted is back long before. */
export const patienceMs = 10_000;

export async function ledgerTail(context: Context, { options }: TailInput): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  const { head } = await ledgerStatus({ socket });
  const after = Math.max(0, head.seq - options.lines);
  const signal = context.interrupt;
  const entries = options.follow
    ? followEntries({ socket, after, signal, patienceMs })
    : upTo(socket, after, head.seq, signal);
  for await (const stored of entries) {
    await context.output.record(stored.line, () =>
      storyLine(stored.entry, { paint: context.output.paint, date: true }),
    );
  }
  return exitCode.ok;
}

/** Entries up to the head as it was when the command began: what comes later is for the next time. */
async function* upTo(
  socket: string,
  after: number,
  last: number,
  signal: AbortSignal,
): AsyncGenerator<StoredEntry, void, undefined> {
  if (last <= after) return;
  yield* readEntries({ socket, after, limit: last - after, signal });
}
