import type { Context } from "../cli/command.ts";
import type { Destination } from "./destination.ts";
import type { Format, Printers } from "./format.ts";
import { openHttpSink } from "./http-sink.ts";
import type { Sink, SinkOptions } from "./sink.ts";
import { openSocketSink } from "./socket-sink.ts";
import { openStdoutSink } from "./stdout-sink.ts";

export interface OpenOptions<T> {
  readonly context: Context;
  readonly destination: Destination;
  readonly format: Format;
  /** For http. */
  readonly headers: Readonly<Record<string, string>>;
  readonly printers: Printers<T>;
}

/** @throws Passing, STREAM_E_REFUSED */
export async function openSink<T, P>(open: OpenOptions<T>, options: SinkOptions<T, P>): Promise<Sink<T>> {
  const { context, destination, format, headers, printers } = open;
  switch (destination.kind) {
    case "stdout":
      return openStdoutSink(context.output, printers.lines[format], options);
    case "socket":
      return openSocketSink(destination, printers.frames[format === "syslog" ? "syslog" : "jsonl"], options);
    case "http": {
      const { url } = destination;
      const onNote = (text: string) => context.output.note(text);
      const known = format === "otlp" ? "otlp" : "jsonl";
      return openHttpSink({ ...options, url, headers, format: known, print: printers.lines[known], onNote });
    }
  }
}
