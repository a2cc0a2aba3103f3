import { resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { logPrinters, type SentLine } from "../logs/formats.ts";
import { openLogs } from "../logs/session.ts";
import { type LogCursor, readLogCursor, writeLogCursor } from "../stream/cursor.ts";
import { parseDestination } from "../stream/destination.ts";
import { formats } from "../stream/format.ts";
import { headersOf } from "../stream/http-sink.ts";
import { openSink } from "../stream/open.ts";
import { pumpAll } from "../stream/pump.ts";
import { Passing } from "../stream/sink.ts";

export interface LogsExportInput {
  readonly args: { readonly NAME: string };
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

export async function logsExport(context: Context, { args, options }: LogsExportInput): Promise<ExitCode> {
  const { NAME: agent } = args;
  const format = formats.find((each) => each === options.format) ?? "jsonl";
  const destination = parseDestination(options.to, format);
  const headers =
    destination.kind === "http" ? headersOf(context.environment.OTEL_EXPORTER_OTLP_HEADERS) : {};
  const instance = await locateInstance(options.state, context);
  const path = options.cursor === undefined ? null : resolve(context.cwd, options.cursor);
  const from = path === null ? null : await readLogCursor(path, agent);
  const follow = !options.once;
  const { source, history, host } = await openLogs(context, {
    agent,
    instance,
    follow,
    signal: context.interrupt,
  });
  const onLost = (bytes: number) => context.output.note(`${bytes} bytes were gone before they could be sent`);
  let lines = 0;
  let unacknowledged: string[] = [];
  await pumpAll<SentLine, LogCursor>({
    from,
    items: async function* (after, signal) {
      unacknowledged = [];
      for await (const found of source({ agent, after: after?.cursor, follow, signal, onLost })) {
        unacknowledged.push(found.cursor);
        yield { host, line: history.place(found), timeUs: found.timeUs, cursor: found.cursor };
      }
    },
    lastOf: (sent) => {
      const last = sent.at(-1);
      return last === undefined ? null : { agent, cursor: last.cursor };
    },
    bytesOf: ({ line }) => Buffer.byteLength(line.message),
    open: (sink) => openSink({ context, destination, format, headers, printers: logPrinters }, sink),
    keep: async (position) => {
      if (path !== null) await writeLogCursor(path, position);
      const known = unacknowledged.indexOf(position.cursor) + 1;
      lines += known;
      unacknowledged.splice(0, known);
    },
    onTrouble: (why) =>
      context.output.progress(why === null ? "it takes lines again" : `trying again: ${why}`),
    patienceMs: options.once ? onceMs : Number.POSITIVE_INFINITY,
    signal: context.interrupt,
  }).catch((error: unknown) => {
    if (!(error instanceof Passing)) throw error;
    throw agentctlErrors.make("STREAM_E_UNREACHABLE", error.message, { cause: error });
  });
  if (destination.kind !== "stdout") {
    const document = { schemaVersion: 1, agent, lines } as const;
    await context.output.result(document, () => [`sent ${lines} lines of ${agent}`]);
  }
  return exitCode.ok;
}
