import type { Output } from "../cli/output.ts";
import type { Print } from "./format.ts";
import { neverFails, type Sink, type SinkOptions } from "./sink.ts";

/** What the pipe has taken counts as received: behind it, nobody tells. */
export function openStdoutSink<T, P>(output: Output, print: Print<T>, options: SinkOptions<T, P>): Sink<T> {
  return {
    async send(items) {
      const position = options.lastOf(items);
      if (position === null) return;
      await output.jsonLines(print(items));
      await output.flush();
      // A reader that has left has not taken it; that it has is told a moment after the write.
      await new Promise(setImmediate);
      options.signal.throwIfAborted();
      await options.onAcknowledged(position);
    },
    failed: neverFails(),
    async finish() {},
    close() {},
  };
}
