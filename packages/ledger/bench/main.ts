/**
 * What the ledger can do on this machine: `node packages/ledger/bench/main.ts [--seconds N] [--entries N] [--json]`. Appends
 * beside SQLite in the same run; then a ledger of many entries: how it is exported, verified, opened, asked and indexed anew. With
 * --seconds 0 only the latter. Nothing passes or fails by it.
 */
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import {
  ExportWriter,
  ledgerStatus,
  readEntries,
  readVerifier,
  reindexDirectory,
  signLedger,
  verifyExport,
} from "../src/index.ts";
import { type Load, measureAppends, type Rate, startLedgerd } from "./appends.ts";
import { fleetDraft, measureQueries } from "./queries.ts";
import { measureSqlite } from "./sqlite.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    entries: { type: "string", default: "1000000" },
    json: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const entries = Number(values.entries);

const loads: readonly Load[] = [1, 8, 64].flatMap((clients) =>
  [1, 32].map((inFlight) => ({ clients, inFlight })),
);

async function inTemporary<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "daruma-bench-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function appendsOf(load: Load): Promise<Rate> {
  return await inTemporary(async (directory) => {
    const ledgerd = await startLedgerd(directory);
    const rate = await measureAppends(ledgerd.socket, load, { seconds });
    await ledgerd.stop();
    return rate;
  });
}

/** Private memory of a process in MiB (proc_pid_smaps_rollup). */
async function privateMib(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(text)?.[1]);
  return (kib("Private_Clean") + kib("Private_Dirty")) / 1024;
}

/** A ledger of many entries: how fast it is exported, verified and opened, and what it takes. */
async function large() {
  return await inTemporary(async (directory) => {
    const first = await startLedgerd(directory);
    let n = 0;
    const load = { clients: 64, inFlight: 32 };
    const draftOf = () => {
      n += 1;
      return fleetDraft(n);
    };
    const filled = await measureAppends(first.socket, load, { entries }, draftOf);
    const filledMib = await privateMib(first.process.pid);
    const file = join(directory, "export.jsonl");
    const checkpoint = await signLedger({ socket: first.socket });
    const began = performance.now();
    const writer = new ExportWriter({ selection: {}, checkpoints: [checkpoint] });
    const out = createWriteStream(file, { flush: true });
    await pipeline(writer.blocks(readEntries({ socket: first.socket })), out);
    const exportMs = performance.now() - began;
    await first.stop();
    const trust = { key: await readVerifier(join(directory, "store/public-key")), witness: null };
    const verifyBegan = performance.now();
    const verdict = await verifyExport(file, trust);
    const verifyMs = performance.now() - verifyBegan;
    if (!verdict.ok || verdict.signed !== entries) throw new Error(JSON.stringify(verdict));
    const again = await startLedgerd(directory);
    const openedMib = await privateMib(again.process.pid);
    const queries = await measureQueries(again.socket, entries, await timesOf(again.socket), 300);
    const askedMib = await privateMib(again.process.pid);
    await again.stop();
    const indexBegan = performance.now();
    const never = new AbortController().signal;
    await reindexDirectory(join(directory, "store"), { onProgress: () => undefined, signal: never });
    const indexMs = performance.now() - indexBegan;
    return {
      entries,
      filledPerSecond: filled.perSecond,
      queries,
      askedMib,
      indexedPerSecond: entries / (indexMs / 1000),
      exportPerSecond: entries / (exportMs / 1000),
      verifyPerSecond: entries / (verifyMs / 1000),
      openMs: again.readyMs,
      openedMib,
      filledMib,
    };
  });
}

/** Of the first and the last entry. */
async function timesOf(socket: string): Promise<{ readonly first: string; readonly last: string }> {
  const { head } = await ledgerStatus({ socket });
  const timeAt = async (seq: number) => {
    for await (const { entry } of readEntries({ socket, after: seq - 1, limit: 1 })) return entry.time;
    throw new Error(`entry ${seq} is not there`);
  };
  return { first: await timeAt(1), last: await timeAt(head.seq) };
}

const appends: (Load & Rate)[] = [];
const sqlite =
  seconds === 0 ? null : await inTemporary(async (directory) => measureSqlite(directory, seconds));
if (seconds > 0) for (const load of loads) appends.push({ ...load, ...(await appendsOf(load)) });
const many = await large();

if (values.json) {
  process.stdout.write(`${JSON.stringify({ schemaVersion: 1, seconds, sqlite, appends, many })}\n`);
} else {
  const row = (name: string, { perSecond, medianMs, p99Ms }: Rate) =>
    `${name.padEnd(44)}${Math.round(perSecond).toString().padStart(10)}${medianMs.toFixed(2).padStart(12)}${p99Ms.toFixed(2).padStart(12)}\n`;
  const header = (title: string) =>
    `${title.padEnd(44)}${"a second".padStart(10)}${"median ms".padStart(12)}${"p99 ms".padStart(12)}\n`;
  process.stdout.write(`${cpus().length} cores, Node ${process.version}, ${seconds} s each\n\n`);
  if (sqlite !== null) {
    process.stdout.write(header("each acknowledged once durable"));
    process.stdout.write(row("SQLite, a synced transaction an event", sqlite));
  }
  for (const append of appends) {
    process.stdout.write(
      row(`ledgerd, ${append.clients} clients, ${append.inFlight} in flight each`, append),
    );
  }
  const { filledPerSecond, exportPerSecond, verifyPerSecond, indexedPerSecond } = many;
  const { openMs, openedMib, filledMib, askedMib } = many;
  process.stdout.write(`\na ledger of ${entries} entries\n`);
  process.stdout.write(
    `  appended     ${Math.round(filledPerSecond)} entries/s, all indexes and the tree, 64 clients, 32 in flight\n`,
  );
  process.stdout.write(`  exported     ${Math.round(exportPerSecond)} entries/s\n`);
  process.stdout.write(
    `  verified     ${Math.round(verifyPerSecond)} entries/s, with chain, tree and signature\n`,
  );
  process.stdout.write(`  opened       in ${Math.round(openMs)} ms, process start included\n`);
  process.stdout.write(`  indexed anew ${Math.round(indexedPerSecond)} entries/s\n`);
  process.stdout.write(
    `  memory       ${openedMib.toFixed(1)} MiB private after opening, ${askedMib.toFixed(1)} MiB after all questions, ${filledMib.toFixed(1)} MiB after filling\n`,
  );
  process.stdout.write(`\n${header("questions, one at a time")}`);
  for (const query of many.queries) {
    process.stdout.write(row(`${query.name} (${query.answered.toFixed(0)} found)`, query));
  }
}
