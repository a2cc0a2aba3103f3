import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { type RunRecord, readRecords, writeRecord } from "./run-record.ts";

const record: RunRecord = {
  agent: "a",
  runId: "r1",
  digest: "d1",
  pid: 100,
  startTicks: 1000,
  bootId: "boot",
  owner: "us",
  startedAt: 5,
};

function directory(t: { teardown(handler: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), "daruma-records-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

t.test("a record is read as it was written, and a later one of the same agent replaces it", async (t) => {
  const path = directory(t);
  writeRecord(path, { ...record, runId: "r0", pid: 99 });
  writeRecord(path, record);
  writeRecord(path, { ...record, agent: "b" });
  t.same(readRecords(path), [record, { ...record, agent: "b" }]);
  t.same(readdirSync(path).sort(), ["a.json", "b.json"]);
});

t.test("a directory that has been removed is made again", async (t) => {
  const path = join(directory(t), "deeper", "runs");
  writeRecord(path, record);
  t.same(readRecords(path), [record]);
});

t.test("what is no record is passed over and takes no other with it", async (t) => {
  const path = directory(t);
  writeRecord(path, record);
  const text = JSON.stringify(record);
  const bad: Record<string, string> = {
    "empty.json": "",
    "null.json": "null",
    "torn.json": text.slice(0, -10),
    "other-name.json": text,
    "b.json.old": text,
    "negative.json": JSON.stringify({ ...record, agent: "negative", pid: -1 }),
    "text.json": JSON.stringify({ ...record, agent: "text", pid: "100" }),
    "fraction.json": JSON.stringify({ ...record, agent: "fraction", startTicks: 1.5 }),
    ".json": JSON.stringify({ ...record, agent: "" }),
  };
  for (const [name, content] of Object.entries(bad)) writeFileSync(join(path, name), content);
  t.same(readRecords(path), [record]);
});
