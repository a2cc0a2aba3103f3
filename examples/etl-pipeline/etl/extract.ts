import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { TextDecoder } from "node:util";

/** The data set is missing, cannot be read, or is not a whole JSON array. */
export class DatasetError extends Error {
  override name = "DatasetError";
}

export interface Batch {
  readonly records: readonly unknown[];
  /** Byte offset behind the last record; give it to {@link readBatches} to go on from there. */
  readonly end: number;
}

/** One element of the array: its bytes as they stand, and the byte offset behind it. */
export interface Element {
  readonly bytes: Uint8Array;
  readonly end: number;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/**
 * Cuts a JSON array into its elements as the bytes come in, wherever the chunks end. It works on bytes, because in
 * UTF-8 no part of a longer character looks like ASCII; it only cuts, so each element still has to be parsed.
 */
export class ElementSplitter {
  #state: "before" | "between" | "element" | "after";
  #offset: number;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #pending: Uint8Array[] = [];
  #seen = false;

  /** @param from 0 for the whole array, or the `end` of an element to go on behind it. */
  constructor(from: number) {
    this.#offset = from;
    this.#seen = from > 0;
    this.#state = from === 0 ? "before" : "between";
  }

  /** @throws DatasetError for what cannot be an array. */
  push(chunk: Uint8Array): Element[] {
    const elements: Element[] = [];
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (this.#state !== "element") {
        this.#outside(byte, i);
        start = i + 1;
      } else if (this.#endsElement(byte)) {
        const bytes = this.#take(chunk.subarray(start, i));
        const last = byte === closeBracket;
        if (!isBlank(bytes)) elements.push({ bytes, end: this.#offset + i });
        else if (!last || this.#seen) throw this.#unexpected(byte, i);
        this.#seen = true;
        this.#state = last ? "after" : "element";
        start = i + 1;
      }
    }
    if (this.#state === "element") this.#pending.push(chunk.subarray(start));
    this.#offset += chunk.length;
    return elements;
  }

  /** @throws DatasetError when the array has not been closed. */
  finish(): void {
    if (this.#state !== "after") throw new DatasetError(`the data set breaks off at byte ${this.#offset}`);
  }

  #outside(byte: number, i: number): void {
    if (isSpace(byte)) return;
    if (this.#state === "before" && byte === openBracket) this.#state = "element";
    else if (this.#state === "between" && byte === comma) this.#state = "element";
    else if (this.#state === "between" && byte === closeBracket) this.#state = "after";
    else throw this.#unexpected(byte, i);
  }

  /** Follows strings and nesting; true at the comma or bracket behind an element. */
  #endsElement(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) this.#inString = false;
      return false;
    }
    if (byte === quote) this.#inString = true;
    else if (byte === openBrace || byte === openBracket) this.#depth++;
    else if (this.#depth === 0) return byte === comma || byte === closeBracket;
    else if (byte === closeBrace || byte === closeBracket) this.#depth--;
    return false;
  }

  #take(rest: Uint8Array): Uint8Array {
    if (this.#pending.length === 0) return rest;
    const bytes = Buffer.concat([...this.#pending, rest]);
    this.#pending = [];
    return bytes;
  }

  #unexpected(byte: number, i: number): DatasetError {
    const shown = JSON.stringify(String.fromCharCode(byte));
    return new DatasetError(`the data set is not an array of records: ${shown} at byte ${this.#offset + i}`);
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every(isSpace);
}

export interface ReadOptions {
  /** Where to begin: 0, or the `end` of an earlier batch. */
  readonly from: number;
  /** Records in a batch; the last one may have fewer. */
  readonly rows: number;
  readonly chunkBytes?: number;
}

/**
 * Reads the records of a JSON array in batches, in constant memory.
 *
 * @throws DatasetError
 */
export async function* readBatches(file: string, options: ReadOptions): AsyncGenerator<Batch> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const splitter = new ElementSplitter(options.from);
  let records: unknown[] = [];
  let end = options.from;
  for await (const chunk of chunks(file, options.from, options.chunkBytes)) {
    for (const element of splitter.push(chunk)) {
      records.push(parse(decoder, element));
      end = element.end;
      if (records.length < options.rows) continue;
      yield { records, end };
      records = [];
    }
  }
  splitter.finish();
  if (records.length > 0) yield { records, end };
}

/** @throws DatasetError */
export async function countRecords(file: string): Promise<number> {
  const splitter = new ElementSplitter(0);
  let count = 0;
  for await (const chunk of chunks(file, 0)) count += splitter.push(chunk).length;
  splitter.finish();
  return count;
}

/**
 * The SHA-256 of the file, in hexadecimal.
 *
 * @throws DatasetError
 */
export async function hashDataset(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks(file, 0)) hash.update(chunk);
  return hash.digest("hex");
}

async function* chunks(file: string, start: number, highWaterMark = 1 << 18): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file, { start, highWaterMark }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    // Only reading itself throws in here; what the consumer throws ends the generator instead.
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new DatasetError(`the data set ${file} cannot be read: ${code}`, { cause: error });
  }
}

function parse(decoder: TextDecoder, element: Element): unknown {
  try {
    return JSON.parse(decoder.decode(element.bytes));
  } catch (error) {
    throw new DatasetError(`the record that ends at byte ${element.end} is not valid JSON`, { cause: error });
  }
}
