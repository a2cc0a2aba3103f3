import { styleText } from "node:util";

/** Tells the demo's story, and remembers when it began. */
export class Narrator {
  readonly #begin = performance.now();

  chapter(title: string): void {
    process.stdout.write(`\n${styleText("bold", title)}\n`);
  }

  say(text: string): void {
    this.#line(" ", text);
  }

  good(text: string): void {
    this.#line(styleText("green", "✓"), text);
  }

  bad(text: string): void {
    this.#line(styleText("red", "✗"), text);
  }

  get seconds(): string {
    return ((performance.now() - this.#begin) / 1_000).toFixed(1);
  }

  #line(mark: string, text: string): void {
    process.stdout.write(`${styleText("dim", `${this.seconds.padStart(6)} s`)} ${mark} ${text}\n`);
  }
}

/** A step that was not as told. */
export class Unexpected extends Error {}

export function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Unexpected(otherwise);
}

export function ms(value: unknown): string {
  return typeof value === "number"
    ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
    : "an unknown time";
}
