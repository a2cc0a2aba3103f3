import { agentctlErrors } from "../catalogue.ts";

export interface Interrupts {
  /** Aborted by the first signal, or by a reader of stdout that went away. Its reason is what to end with. */
  readonly interrupt: AbortSignal;
  /** Aborted by a second signal. */
  readonly hurry: AbortSignal;
  /** Nobody reads stdout any more (`| head`): ends the command without a word. */
  readerLeft(): void;
  /** Goes on for no one: ends the command with this error. */
  fail(error: Error): void;
}

/** The reason of an interrupt that is nobody's mistake and worth no message. */
export const readerLeft = Symbol("the reader of stdout went away");

export interface SignalSource {
  on(signal: "SIGINT" | "SIGTERM" | "SIGHUP", listener: () => void): unknown;
}

/**
 * npx and our own launcher pass a Ctrl-C on although the terminal has sent it to everyone: signals that come this close
 * together are one.
 */
const sameMs = 250;

/** Turns signals into aborts: what has been begun decides for itself where it can stop without losing anything. */
export function watchSignals(source: SignalSource, now: () => number = () => performance.now()): Interrupts {
  const first = new AbortController();
  const second = new AbortController();
  let firstAt = Number.POSITIVE_INFINITY;
  const stop = (code: "CLI_E_INTERRUPTED" | "CLI_E_TERMINATED", what: string) => () => {
    if (now() - firstAt > sameMs) second.abort(first.signal.reason);
    firstAt = Math.min(firstAt, now());
    first.abort(agentctlErrors.make(code, `stopped by ${what}`));
  };
  source.on("SIGINT", stop("CLI_E_INTERRUPTED", "SIGINT (Ctrl-C)"));
  source.on("SIGTERM", stop("CLI_E_TERMINATED", "SIGTERM"));
  source.on("SIGHUP", stop("CLI_E_TERMINATED", "SIGHUP (the terminal was closed)"));
  return {
    interrupt: first.signal,
    hurry: second.signal,
    readerLeft: () => first.abort(readerLeft),
    fail: (error) => first.abort(error),
  };
}

/** Rejects with the reason once the signal is aborted; never resolves. */
export function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
