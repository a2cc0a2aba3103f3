import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Outcome } from "./contract.ts";

/** How far the load has come. It is stored in the same transaction as the rows it speaks of. */
export interface Checkpoint {
  readonly datasetSha256: string;
  /** Records in the data set. */
  readonly total: number;
  /** Records dealt with, which is also the position of the next one. */
  readonly position: number;
  /** Where the next record begins in the data set. */
  readonly byteOffset: number;
  readonly loaded: number;
  readonly rejected: number;
}

export interface Transformed {
  readonly record: unknown;
  readonly outcome: Outcome;
}

/** The disk or the database refused. A batch whose transaction failed has left nothing behind. */
export class StoreError extends Error {
  override name = "StoreError";
}

const layout = 1;

// Waiting for a lock holds up /health too, so that is kept short; the pipeline tries again anyway.
// FULL, because /health, progress.json and through them other people's records tell how much is loaded: what has been
// told must survive a power cut. (A killed process loses nothing under NORMAL either, and rows and checkpoint would
// stay together, but the last batches could be gone.)
const pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 100;";

// The position is the primary key and rows are inserted plainly: a batch that came twice would fail, not pass unseen.
// One place is one city; which of two records wins does not depend on batches, since positions only grow.
const onePlace = "country, ifnull(admin1, ''), search_name, substr(geohash, 1, 6)";
const tables = `
  CREATE TABLE cities (
    position INTEGER PRIMARY KEY, name TEXT NOT NULL, qualifier TEXT, search_name TEXT NOT NULL, country TEXT NOT NULL,
    admin1 TEXT, admin2 TEXT, latitude REAL NOT NULL, longitude REAL NOT NULL, geohash TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX one_place ON cities (${onePlace});
  CREATE TABLE rejects (position INTEGER PRIMARY KEY, reason TEXT NOT NULL, record TEXT NOT NULL) STRICT;
  CREATE TABLE checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), dataset_sha256 TEXT NOT NULL, total INTEGER NOT NULL,
    position INTEGER NOT NULL, byte_offset INTEGER NOT NULL, loaded INTEGER NOT NULL, rejected INTEGER NOT NULL
  ) STRICT;
  PRAGMA user_version = ${layout};`;

/** The database of one load. Every method throws {@link StoreError} when SQLite refuses. */
export class Store {
  #db: DatabaseSync;
  #statements = new Map<string, StatementSync>();

  /** Opens the database and makes its tables when it is new. */
  constructor(file: string) {
    this.#db = guarded(() => new DatabaseSync(file));
    try {
      guarded(() => this.#db.exec(pragmas));
      this.#prepare();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Null as long as nothing has begun. */
  checkpoint(): Checkpoint | null {
    const query = `SELECT dataset_sha256 AS datasetSha256, total, position, byte_offset AS byteOffset, loaded, rejected
      FROM checkpoint`;
    const row = guarded(() => this.#db.prepare(query).get());
    return row === undefined ? null : ({ ...row } as unknown as Checkpoint);
  }

  begin(datasetSha256: string, total: number): Checkpoint {
    const first = { datasetSha256, total, position: 0, byteOffset: 0, loaded: 0, rejected: 0 };
    const insert = "INSERT INTO checkpoint VALUES (1, ?, ?, 0, 0, 0, 0)";
    guarded(() => this.#db.prepare(insert).run(datasetSha256, total));
    return first;
  }

  /**
   * Stores one batch and moves the checkpoint behind it, both or neither.
   *
   * @param from The checkpoint that the batch begins at.
   * @param byteOffset Where the record behind the batch begins.
   */
  commit(from: Checkpoint, batch: readonly Transformed[], byteOffset: number): Checkpoint {
    return this.#transaction(() => {
      let loaded = 0;
      for (const [index, { record, outcome }] of batch.entries()) {
        const reason = this.#insert(from.position + index, outcome);
        if (reason === null) loaded++;
        else this.#reject(from.position + index, reason, record);
      }
      const next: Checkpoint = {
        ...from,
        position: from.position + batch.length,
        byteOffset,
        loaded: from.loaded + loaded,
        rejected: from.rejected + batch.length - loaded,
      };
      this.#move(from, next);
      return next;
    });
  }

  /** A setting of the connection, as SQLite has it. */
  pragma(name: "journal_mode" | "synchronous" | "user_version"): unknown {
    return guarded(() => this.#db.prepare(`PRAGMA ${name}`).get()?.[name]);
  }

  close(): void {
    this.#db.close();
  }

  #prepare(): void {
    this.#transaction(() => {
      const version = this.pragma("user_version");
      if (version === 0) this.#db.exec(tables);
      else if (version !== layout) throw new StoreError(`the database has layout ${version}, not ${layout}`);
    });
  }

  /** @returns Why the record is not a row, or null. */
  #insert(position: number, outcome: Outcome): string | null {
    if ("reject" in outcome) return outcome.reject;
    const { city } = outcome;
    const insert = this.#statement(
      `INSERT INTO cities VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (${onePlace}) DO NOTHING`,
    );
    const { changes } = insert.run(
      position,
      city.name,
      city.qualifier,
      city.searchName,
      city.country,
      city.admin1,
      city.admin2,
      city.latitude,
      city.longitude,
      city.geohash,
    );
    return changes === 1 ? null : "duplicate";
  }

  #reject(position: number, reason: string, record: unknown): void {
    this.#statement("INSERT INTO rejects VALUES (?, ?, ?)").run(position, reason, JSON.stringify(record));
  }

  /** Fails when the checkpoint is not where this process left it: then another loader is at work on the same file. */
  #move(from: Checkpoint, to: Checkpoint): void {
    const update = this.#statement(
      "UPDATE checkpoint SET position = ?, byte_offset = ?, loaded = ?, rejected = ? WHERE position = ?",
    );
    const { changes } = update.run(to.position, to.byteOffset, to.loaded, to.rejected, from.position);
    if (changes !== 1) throw new StoreError(`the checkpoint is no longer at record ${from.position}`);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #transaction<T>(work: () => T): T {
    return guarded(() => {
      this.#db.exec("BEGIN IMMEDIATE");
      try {
        const result = work();
        this.#db.exec("COMMIT");
        return result;
      } catch (error) {
        // SQLite has already rolled back by itself after some errors, such as a full disk.
        if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
        throw error;
      }
    });
  }
}

/** Tells a refusal of SQLite from a bug. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SQLITE_ERROR") throw error;
    throw new StoreError(`the database refused: ${(error as Error).message}`, { cause: error });
  }
}
