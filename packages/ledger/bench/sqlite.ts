/** The same events into SQLite, one transaction each, synced before it counts. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { details, type Rate, rateOf } from "./appends.ts";

/** In this very process, without a socket, a chain of hashes, or a tree: as fast as an audit table can be. */
export function measureSqlite(directory: string, seconds: number): Rate {
  const db = new DatabaseSync(join(directory, "events.db"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec(
    "CREATE TABLE events (seq INTEGER PRIMARY KEY, time TEXT, action TEXT, subject TEXT, details TEXT, hash TEXT)",
  );
  db.exec("CREATE INDEX by_action ON events (action, seq)");
  const insert = db.prepare(
    "INSERT INTO events (time, action, subject, details, hash) VALUES (?, ?, ?, ?, ?)",
  );
  const waits: number[] = [];
  const started = performance.now();
  while (performance.now() < started + seconds * 1000) {
    const start = performance.now();
    const text = JSON.stringify(details);
    const digest = createHash("sha256").update(text).digest("hex");
    insert.run(new Date().toISOString(), "bench.append", "client/1", text, digest);
    waits.push(performance.now() - start);
  }
  const rate = rateOf(waits, performance.now() - started);
  db.close();
  return rate;
}
