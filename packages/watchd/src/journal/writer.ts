import { canonicalBytes, type DarumaError, type JsonValue, messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { encodeFrame, markOffset, snapshotOffset } from "./frame.ts";
import type { FileIndex } from "./recover.ts";

/** One preallocated file. */
export interface JournalFile {
  readonly path: string;
  /** In bytes, all of them allocated. */
  readonly size: number;
  /** Resolves once the bytes are on disk. */
  write(data: Uint8Array, offset: number): Promise<void>;
  /** Allocates up to `size`. What the file holds stays as it is, also when this fails. */
  grow(size: number): Promise<void>;
}

export interface JournalWriter {
  /** True once half of the room for records is used: take a snapshot soon. */
  readonly nearlyFull: boolean;
  /**
   * Resolves once the record is on disk. Records that wait at the same time share one write. Order is kept.
   *
   * @throws WATCHD_E_JOURNAL_FULL, WATCHD_E_JOURNAL_WRITE; from then on every append is refused until a snapshot
   *   succeeds, because what is on disk behind the last acknowledged record is unknown. JSON_E_NOT_CANONICAL changes
   *   nothing.
   */
  append(record: JsonValue): Promise<void>;
  /**
   * Replaces everything before it, and must therefore contain it: `state` has to include each record appended so far.
   * It goes to the file that is not in use, so that a crash at any moment leaves the old state or the new one. That
   * file grows where the state would take more than half of it.
   *
   * @throws WATCHD_E_JOURNAL_FULL where it had to grow and could not (nothing has changed then; appending goes on),
   *   WATCHD_E_JOURNAL_WRITE (what was acknowledged before stays so; appends are refused until a snapshot succeeds).
   *   JSON_E_NOT_CANONICAL changes nothing.
   */
  snapshot(state: JsonValue): Promise<void>;
  /** Resolves once nothing is being written any more. Later calls are a bug of the caller. */
  drain(): Promise<void>;
}

interface Waiting {
  readonly kind: "record" | "snapshot";
  readonly payload: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The file in use, and how far. */
interface Position {
  readonly file: FileIndex;
  offset: number;
  /** Of the last record written. All of them are durable: one write is under way at a time. */
  seq: number;
}

export interface WriterStart {
  readonly files: readonly [JournalFile, JournalFile];
  /** Holds what was recovered; `null` where nothing was. The first snapshot spares it. */
  readonly source: FileIndex | null;
  readonly epoch: number;
}

/**
 * Appends only follow a snapshot of the same process: so no record ever comes to lie in front of leftovers of an
 * earlier process's torn group that would seem to continue it.
 */
export function createWriter(start: WriterStart): JournalWriter {
  return new Writer(start);
}

class Writer implements JournalWriter {
  readonly #files: readonly [JournalFile, JournalFile];
  #spare: FileIndex;
  #epoch: number;
  #position: Position | null = null;
  #broken: unknown = null;
  #queue: Waiting[] = [];
  #flushing: Promise<void> | null = null;
  #closed = false;

  constructor(start: WriterStart) {
    this.#files = start.files;
    this.#spare = start.source === 0 ? 1 : 0;
    this.#epoch = start.epoch;
  }

  get nearlyFull(): boolean {
    if (this.#position === null) return false;
    const { size } = this.#files[this.#position.file];
    return this.#position.offset > snapshotOffset + (size - snapshotOffset) / 2;
  }

  append(record: JsonValue): Promise<void> {
    return this.#enqueue("record", record);
  }

  snapshot(state: JsonValue): Promise<void> {
    return this.#enqueue("snapshot", state);
  }

  async drain(): Promise<void> {
    this.#closed = true;
    await this.#flushing;
  }

  #enqueue(kind: Waiting["kind"], value: JsonValue): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new Error("the journal is closed");
      const payload = canonicalBytes(value);
      this.#queue.push({ kind, payload, resolve, reject });
      // Starting in a microtask lets all that is appended in one turn share the first write.
      this.#flushing ??= Promise.resolve().then(() => this.#flush());
    });
  }

  async #flush(): Promise<void> {
    for (let group = this.#nextGroup(); group.length > 0; group = this.#nextGroup()) {
      try {
        if (group[0]?.kind === "snapshot") await this.#writeSnapshot(group[0].payload);
        else await this.#writeRecords(group.map((waiting) => waiting.payload));
        for (const waiting of group) waiting.resolve();
      } catch (error) {
        for (const waiting of group) waiting.reject(error);
      }
    }
    this.#flushing = null;
  }

  /** One snapshot, or all records up to the next one. */
  #nextGroup(): Waiting[] {
    const snapshot = this.#queue.findIndex((waiting) => waiting.kind === "snapshot");
    return this.#queue.splice(0, snapshot === -1 ? this.#queue.length : Math.max(snapshot, 1));
  }

  async #writeRecords(payloads: readonly Buffer[]): Promise<void> {
    const position = this.#position;
    if (position === null) {
      throw this.#broken ?? new Error("the first thing written to a journal must be a snapshot");
    }
    const { offset, seq } = position;
    const file = this.#files[position.file];
    const data = Buffer.concat(
      payloads.map((payload, index) =>
        encodeFrame({ kind: "record", epoch: this.#epoch, seq: seq + 1 + index, durable: seq }, payload),
      ),
    );
    try {
      if (offset + data.length > file.size) throw full(file, data.length, file.size - offset);
      await write(file, data, offset);
    } catch (error) {
      this.#break(error);
      throw error;
    }
    position.offset += data.length;
    position.seq += payloads.length;
  }

  async #writeSnapshot(payload: Buffer): Promise<void> {
    const index = this.#spare;
    const other = index === 0 ? 1 : 0;
    const file = this.#files[index];
    const head = { epoch: this.#epoch + 1, seq: 0, durable: 0 };
    const snapshot = encodeFrame({ kind: "snapshot", ...head }, payload);
    await makeRoom(file, snapshot.length);
    this.#epoch = head.epoch;
    try {
      await write(file, snapshot, snapshotOffset);
      await write(this.#files[other], encodeFrame({ kind: "mark", ...head }, Buffer.alloc(0)), markOffset);
    } catch (error) {
      // It may still be found whole after a crash: what followed the old one would then be lost.
      this.#break(error);
      throw error;
    }
    this.#broken = null;
    this.#position = { file: index, offset: snapshotOffset + snapshot.length, seq: 0 };
    this.#spare = other;
  }

  #break(error: unknown): void {
    this.#broken = error;
    this.#position = null;
  }
}

/** Half of a file is for records; without it snapshots would follow each other too closely. */
async function makeRoom(file: JournalFile, snapshotBytes: number): Promise<void> {
  const wanted = snapshotOffset + 2 * snapshotBytes;
  if (wanted <= file.size) return;
  try {
    await file.grow(2 * wanted);
  } catch (cause) {
    const room = file.size - snapshotOffset;
    if (snapshotBytes > room) throw full(file, snapshotBytes, room, cause);
  }
}

async function write(file: JournalFile, data: Buffer, offset: number): Promise<void> {
  try {
    await file.write(data, offset);
  } catch (cause) {
    throw watchdErrors.make("WATCHD_E_JOURNAL_WRITE", `cannot write the journal: ${messageOf(cause)}`, {
      where: file.path,
      cause,
    });
  }
}

function full(file: JournalFile, bytes: number, room: number, cause?: unknown): DarumaError {
  return watchdErrors.make(
    "WATCHD_E_JOURNAL_FULL",
    `the journal has ${room} bytes left, and ${bytes} are to be written`,
    { where: file.path, cause },
  );
}
