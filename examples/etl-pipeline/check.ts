/**
 * Compares a loaded database with what the data set should have become: `node check.ts DATABASE DATASET`. It shares the
 * transform with the agent and nothing else: it reads the data set in one piece and keeps no checkpoint, so what it
 * expects does not depend on batches, restarts or the loader's SQL. Exit codes: 0 the table is right, 1 it is not.
 */
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { City } from "./etl/contract.ts";
import { toolkit } from "./etl/toolkit.ts";
import { transform } from "./transform-v1/transform.ts";

export interface TableCheck {
  /** Rows that the data set should have become. */
  readonly expectedRows: number;
  readonly actualRows: number;
  /** Records that should be a row and are not. */
  readonly missing: number;
  /** Rows beyond the first for one and the same record. */
  readonly duplicated: number;
  /** Rows that are not what their record should have become, or whose record should not be a row at all. */
  readonly different: number;
  /** Rejected records by reason, as they should be. */
  readonly expectedRejects: Readonly<Record<string, number>>;
  /** Records that should be among the rejects, with the same reason, and are not, and the other way round. */
  readonly differentRejects: number;
  readonly ok: boolean;
}

interface Expected {
  readonly rows: ReadonlyMap<number, City>;
  readonly rejects: ReadonlyMap<number, string>;
}

/** @throws what reading the data set or the database throws. */
export function checkTable(dbFile: string, datasetFile: string): TableCheck {
  const expected = expectedFrom(JSON.parse(readFileSync(datasetFile, "utf8")) as unknown[]);
  const db = new DatabaseSync(dbFile, { readOnly: true });
  try {
    const rows = compareRows(expected.rows, db.prepare("SELECT * FROM cities").iterate());
    const differentRejects = compareRejects(expected.rejects, db.prepare("SELECT * FROM rejects").iterate());
    const faults = rows.missing + rows.duplicated + rows.different + differentRejects;
    const expectedRejects: Record<string, number> = {};
    for (const reason of expected.rejects.values())
      expectedRejects[reason] = (expectedRejects[reason] ?? 0) + 1;
    return { expectedRows: expected.rows.size, ...rows, expectedRejects, differentRejects, ok: faults === 0 };
  } finally {
    db.close();
  }
}

function expectedFrom(records: readonly unknown[]): Expected {
  const rows = new Map<number, City>();
  const rejects = new Map<number, string>();
  const places = new Set<string>();
  for (const [position, record] of records.entries()) {
    const outcome = transform(record, toolkit);
    if ("reject" in outcome) {
      rejects.set(position, outcome.reject);
      continue;
    }
    const { country, admin1, searchName, geohash } = outcome.city;
    const place = JSON.stringify([country, admin1, searchName, geohash.slice(0, 6)]);
    if (places.has(place)) rejects.set(position, "duplicate");
    else rows.set(position, outcome.city);
    places.add(place);
  }
  return { rows, rejects };
}

type Row = Readonly<Record<string, unknown>>;

function compareRows(expected: ReadonlyMap<number, City>, actual: Iterable<Row>) {
  const seen = new Set<unknown>();
  let actualRows = 0;
  let duplicated = 0;
  let different = 0;
  for (const { position, search_name: searchName, ...row } of actual) {
    actualRows++;
    if (seen.has(position)) duplicated++;
    seen.add(position);
    if (!isSame({ ...row, searchName }, expected.get(Number(position)))) different++;
  }
  const missing = [...expected.keys()].filter((position) => !seen.has(position)).length;
  return { actualRows, missing, duplicated, different };
}

/** For values that are texts, numbers or null, of which a whole table has more than a million. */
function isSame(row: Row, city: City | undefined): boolean {
  if (city === undefined) return false;
  const names = Object.keys(city) as (keyof City)[];
  return names.length === Object.keys(row).length && names.every((name) => Object.is(row[name], city[name]));
}

function compareRejects(expected: ReadonlyMap<number, string>, actual: Iterable<Row>): number {
  let wrong = 0;
  const open = new Map(expected);
  for (const { position, reason } of actual) {
    if (open.get(Number(position)) !== reason) wrong++;
    open.delete(Number(position));
  }
  return wrong + open.size;
}

if (import.meta.main) {
  const [dbFile, datasetFile] = process.argv.slice(2);
  if (dbFile === undefined || datasetFile === undefined) {
    console.error("usage: node check.ts DATABASE DATASET");
    process.exit(2);
  }
  const result = checkTable(dbFile, datasetFile);
  console.log(JSON.stringify(result, null, 2));
  process.exitCode = result.ok ? 0 : 1;
}
