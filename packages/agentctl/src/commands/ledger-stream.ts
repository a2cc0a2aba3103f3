import { resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import { ledgerStatus, readEntries, type StoredEntry } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { followEntries } from "../story/follow.ts";
import { checkCursor, readCursor, writeCursor } from "../stream/cursor.ts";
import { parseDestination } from "../stream/destination.ts";
import { formats, printFrames, printLines } from "../stream/format.ts";
import { headersOf } from "../stream/http-sink.ts";
import { openSink } from "../stream/open.ts";
import { pump } from "../stream/pump.ts";
import { Passing } from "../stream/sink.ts";
import { patienceMs } from "./ledger-read.ts";

export interface StreamInput {
  readonly options: {
    readonly format: string;
    readonly to: string;
    readonly cursor: string | undefined;
    readonly once: boolean;
    readonly state: string | undefined;
  };
}

/** With --once somebody waits for the end. */
const onceMs = 60_000;

export async function ledgerStream(context: Context, { options }: StreamInput): Promise<ExitCode> {
  const format = formats.find((each) => each === options.format) ?? "jsonl";
  const destination = parseDestination(options.to, format);
  const headers =
    destination.kind === "http" ? headersOf(context.environment.OTEL_EXPORTER_OTLP_HEADERS) : {};
  const printers = { lines: printLines, frames: printFrames };
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  const path = options.cursor === undefined ? null : resolve(context.cwd, options.cursor);
  const from = path === null ? null : await readCursor(path);
  if (path !== null && from !== null) await checkCursor(path, from, socket);
  const { head } = await ledgerStatus({ socket });
  const last = options.once ? head.seq : null;
  const sent = await pump({
    from,
    entries: (after, signal) => entriesOf(socket, after, last, signal),
    open: (sink) => openSink({ context, destination, format, headers, printers }, sink),
    keep: async (position) => {
      if (path !== null) await writeCursor(path, position);
    },
    onTrouble: (why) =>
      context.output.progress(why === null ? "it takes entries again" : `trying again: ${why}`),
    patienceMs: options.once ? onceMs : Number.POSITIVE_INFINITY,
    signal: context.interrupt,
  }).catch((error: unknown) => {
    if (!(error instanceof Passing)) throw error;
    throw agentctlErrors.make("STREAM_E_UNREACHABLE", error.message, { cause: error });
  });
  if (destination.kind !== "stdout") {
    const document = { schemaVersion: 1, entries: sent, seq: head.seq } as const;
    await context.output.result(document, () => [`sent ${sent} entries, up to ${head.seq}`]);
  }
  return exitCode.ok;
}

/** Entries up to `last`, or for ever. */
async function* entriesOf(
  socket: string,
  after: number,
  last: number | null,
  signal: AbortSignal,
): AsyncGenerator<StoredEntry, void, undefined> {
  if (last === null) yield* followEntries({ socket, after, signal, patienceMs });
  else if (last > after) yield* readEntries({ socket, after, limit: last - after, signal });
}
