const newline = 0x0a;

export interface LineHandler {
  /** One line without its newline. The bytes are only valid during the call. */
  onLine(bytes: Buffer): void;
  /** A line is longer than allowed. `start` is its beginning; the rest of it is dropped as it comes. */
  onTooLong(start: Buffer): void;
}

/** Cuts a stream of bytes into lines with bounded memory, however long the lines are. */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #handler: LineHandler;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #dropping = false;

  constructor(maxBytes: number, handler: LineHandler) {
    this.#maxBytes = maxBytes;
    this.#handler = handler;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
      this.#add(chunk.subarray(from, at));
      this.#finishLine();
      from = at + 1;
    }
    if (from < chunk.length) this.#add(chunk.subarray(from));
  }

  /** Bytes after the last newline: more than 0 at the end of the data means that the last line was cut. */
  get unfinishedBytes(): number {
    return this.#heldBytes;
  }

  #add(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (this.#dropping) return;
    this.#held.push(piece);
    if (this.#heldBytes <= this.#maxBytes) return;
    this.#dropping = true;
    const start = Buffer.concat(this.#held).subarray(0, 256);
    this.#held = [];
    this.#handler.onTooLong(start);
  }

  #finishLine(): void {
    const pieces = this.#held;
    const dropped = this.#dropping;
    this.#held = [];
    this.#heldBytes = 0;
    this.#dropping = false;
    if (dropped) return;
    const [only] = pieces;
    this.#handler.onLine(pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces));
  }
}
