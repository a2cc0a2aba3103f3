import { messageOf } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import type { Format, Print } from "./format.ts";
import { neverFails, Passing, type Sink, type SinkOptions } from "./sink.ts";

const answerMs = 30_000;
/** OTLP 1, "Failures": these, and none else, are worth another attempt. */
const passing: readonly number[] = [408, 429, 502, 503, 504];
/** Of an answer, no more than this is looked at. */
const longestAnswer = 64 * 1024;

export interface HttpSinkOptions<T, P> extends SinkOptions<T, P> {
  readonly url: string;
  /** All of a request, in that format. */
  readonly print: Print<T>;
  readonly format: Exclude<Format, "syslog">;
  readonly headers: Readonly<Record<string, string>>;
  /** Something that the receiver took and says something about. */
  readonly onNote: (text: string) => void;
}

/** One POST for each number of entries; an answer of 2xx is the acknowledgement. */
export function openHttpSink<T, P>(options: HttpSinkOptions<T, P>): Sink<T> {
  const type = options.format === "otlp" ? "application/json" : "application/x-ndjson";
  return {
    async send(items) {
      const position = options.lastOf(items);
      if (position === null) return;
      const answer = await post(options, type, options.print(items));
      if (options.format === "otlp") noteRejected(answer, options.onNote);
      await options.onAcknowledged(position);
    },
    failed: neverFails(),
    async finish() {},
    close() {},
  };
}

/** @throws Passing, STREAM_E_REFUSED */
async function post(
  { url, headers, signal }: Pick<HttpSinkOptions<never, never>, "url" | "headers" | "signal">,
  type: string,
  body: string,
): Promise<string> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": type },
      body,
      // A receiver that has moved is to be named by its new address: secrets must not follow a redirect.
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
    });
    text = (await response.text()).slice(0, longestAnswer);
  } catch (cause) {
    signal.throwIfAborted();
    const why =
      cause instanceof Error && cause.cause !== undefined ? messageOf(cause.cause) : messageOf(cause);
    throw new Passing(`${url}: ${why}`, { cause });
  }
  if (response.ok) return text;
  const what = `${url} answered ${response.status}${text === "" ? "" : `: ${text.slice(0, 200)}`}`;
  if (passing.includes(response.status)) {
    throw new Passing(what, { retryAfterMs: retryAfterMs(response.headers.get("retry-after")) });
  }
  throw agentctlErrors.make("STREAM_E_REFUSED", what, { where: url });
}

/** RFC 9110 10.2.3: seconds, or a date. */
export function retryAfterMs(value: string | null, now = Date.now()): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** OTLP 1, "Partial Success": what was rejected must not be sent again. */
function noteRejected(answer: string, onNote: (text: string) => void): void {
  let document: { partialSuccess?: { rejectedLogRecords?: unknown; errorMessage?: unknown } } | null;
  try {
    document = JSON.parse(answer === "" ? "{}" : answer);
  } catch {
    return;
  }
  const { rejectedLogRecords = 0, errorMessage = "" } = document?.partialSuccess ?? {};
  if (Number(rejectedLogRecords) === 0 && errorMessage === "") return;
  onNote(`the receiver rejected ${String(rejectedLogRecords)} entries: ${String(errorMessage)}`);
}

/**
 * `OTEL_EXPORTER_OTLP_HEADERS`, as OpenTelemetry has it: `name=value,name=value`, values percent-encoded.
 *
 * @throws CLI_E_USAGE
 */
export function headersOf(text: string | undefined): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const pair of (text ?? "").split(",").filter((part) => part.trim() !== "")) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, Math.max(at, 0)).trim();
    try {
      if (name === "") throw new Error("no name");
      headers[name] = decodeURIComponent(pair.slice(at + 1).trim());
      new Headers(headers);
    } catch (cause) {
      // Not the value, which is a secret.
      throw agentctlErrors.make(
        "CLI_E_USAGE",
        `OTEL_EXPORTER_OTLP_HEADERS: ${name || "a header"} is not readable`,
        { cause },
      );
    }
  }
  return headers;
}
