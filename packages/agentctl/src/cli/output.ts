import { once } from "node:events";
import type { Writable } from "node:stream";
import { styleText } from "node:util";

export type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

export interface OutputOptions {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly json: boolean;
  readonly quiet: boolean;
  /** For each stream by itself: one may be a terminal and the other a file. */
  readonly color: { readonly stdout: boolean; readonly stderr: boolean };
}

/**
 * The only way to stdout and stderr. With `--json`, nothing but JSON can reach stdout through it: a command says what its
 * result is and how a person would read it, and this chooses.
 */
export class Output {
  readonly json: boolean;
  readonly paint: Paint;
  readonly paintNote: Paint;
  readonly #options: OutputOptions;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.json = options.json;
    this.paint = painter(options.color.stdout);
    this.paintNote = painter(options.color.stderr);
  }

  /** The result of a command, once. `text` is asked for only if a person is reading. */
  result<D extends { readonly schemaVersion: 1 }>(document: D, text: () => readonly string[]): Promise<void> {
    const lines = this.json ? [JSON.stringify(document)] : text();
    return write(this.#options.stdout, lines.map((line) => `${line}\n`).join(""));
  }

  /** One record of a stream: a line of JSON, or a line to read; `null` is not worth a line to a person. */
  record(json: string, text: () => string | null): Promise<void> {
    const line = this.json ? json : text();
    return line === null ? Promise.resolve() : write(this.#options.stdout, `${line}\n`);
  }

  /** Whole lines of JSON, newlines included, that are the result for people and programs alike. */
  jsonLines(block: string): Promise<void> {
    return write(this.#options.stdout, block);
  }

  /** Something to know beside the result. Always on stderr. */
  note(text: string): void {
    this.#options.stderr.write(`${text}\n`);
  }

  /** Like a note, but of no importance: left out with --quiet. */
  progress(text: string): void {
    if (!this.#options.quiet) this.note(this.paintNote("dim", text));
  }

  /** Resolves once everything has left this process. */
  async flush(): Promise<void> {
    await Promise.all([this.#options.stdout, this.#options.stderr].map(flushed));
  }
}

/** Whether to colour a stream: `--color` first, then NO_COLOR (https://no-color.org), then whether a person reads it. */
export function usesColor(
  mode: "auto" | "always" | "never",
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  if (mode !== "auto") return mode === "always";
  if ((environment.NO_COLOR ?? "") !== "" || environment.TERM === "dumb") return false;
  return stream.isTTY === true;
}

function painter(color: boolean): Paint {
  // The decision is ours alone: by itself styleText would look at the environment once more.
  return (style, text) => (color ? styleText(style, text, { validateStream: false }) : text);
}

/** Waits for a slow reader, so that a long stream does not pile up in memory. A reader that has gone away is no error. */
async function write(stream: Writable, text: string): Promise<void> {
  if (text === "" || stream.destroyed || stream.writableEnded) return;
  if (stream.write(text)) return;
  await Promise.race([once(stream, "drain"), once(stream, "close")]).catch(() => undefined);
}

function flushed(stream: Writable): Promise<void> {
  if (stream.destroyed || stream.writableEnded) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once("close", () => resolve());
    stream.write("", () => resolve());
  });
}
