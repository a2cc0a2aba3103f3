import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { parseCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { connectLedger } from "./client.ts";
import { type Entry, prepareEntry, readEntry, sealEntry, zeroHash } from "./entry.ts";
import { ExportWriter } from "./export.ts";
import type { Selection } from "./export-format.ts";
import { Frontier, leafHash } from "./merkle.ts";
import { ledgerKey } from "./proof-client.ts";
import type { StoredEntry } from "./reader.ts";
import { startLedgerd } from "./server.ts";
import { keyType, makeSigner, parseVerifier, type Signer } from "./signed-note.ts";
import { draft, temporaryDirectory } from "./test-support.ts";
import { noTrust, type Trust } from "./trust.ts";
import { readWitnessFile } from "./trust-files.ts";
import type { Verification } from "./verification.ts";
import { verifyDirectory } from "./verify-directory.ts";
import { verifyLines } from "./verify-lines.ts";

/*
 * The attacks of docs/concepts/tampering.md, each against the three levels of trust. The page shows the very table that
 * is made here. The honest ledger has 40 entries; checkpoints were signed at 20, 30 and 40, and a witness has seen the
 * one over 30.
 */

const log = makeSigner("daruma/etl-01", keyType.note, Buffer.alloc(32, 1));
const thief = makeSigner("daruma/etl-01", keyType.note, Buffer.alloc(32, 2));
const sizes = [20, 30, 40];
const seenSize = 30;

/** Entries a minute apart. `change` makes other ones from some `seq` on, hashed anew as only the disk's owner can. */
function ledger(count: number, change: (seq: number) => string = () => "as it was"): readonly StoredEntry[] {
  const entries: StoredEntry[] = [];
  let prev = zeroHash;
  for (let seq = 1; seq <= count; seq += 1) {
    const { time, ...details } = { time: seq, text: change(seq) };
    const minute = details.text === "clock back" ? time - 10 : time;
    const prepared = prepareEntry({ action: "agent.exit", subject: "agent/a", details }, "etl-01", "watchd");
    const at = new Date(Date.UTC(2026, 10, 27, 10, minute)).toISOString();
    const { line, hash } = sealEntry(prepared, prev, seq, at);
    entries.push({ line, entry: readEntry(line).entry as Entry });
    prev = hash;
  }
  return entries;
}

function checkpoint(entries: readonly StoredEntry[], size: number, signer: Signer = log) {
  const frontier = new Frontier();
  for (const { line } of entries.slice(0, size)) frontier.push(leafHash(line));
  return {
    size,
    checkpoint: signCheckpoint(signer, { origin: "daruma/etl-01", size, root: frontier.root() }),
  };
}

async function* iterate<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

async function exportOf(
  entries: readonly StoredEntry[],
  signer: Signer | null = log,
  selection: Selection = {},
): Promise<string> {
  const within = signer === null ? [] : sizes.filter((size) => size <= entries.length);
  const checkpoints = within.map((size) => checkpoint(entries, size, signer ?? log));
  let text = "";
  for await (const block of new ExportWriter({ selection, checkpoints }).blocks(iterate(entries)))
    text += block;
  return text;
}

const honest = ledger(40);
const honestExport = await exportOf(honest);
const seen = parseCheckpoint(checkpoint(honest, seenSize).checkpoint);
if (seen === null) throw new Error("not a checkpoint");
const trusts: readonly Trust[] = [
  noTrust,
  { key: log.verifier, witness: null },
  { key: log.verifier, witness: { verifiers: [], seen: [seen] } },
];

const linesOf = (text: string) => text.split("\n").slice(0, -1);
const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
const from = (first: number, text: string) => (seq: number) => (seq >= first ? text : "as it was");

/** An attack, and the export that the auditor gets. */
const attacks: readonly (readonly [string, () => Promise<string> | string])[] = [
  ["none: the honest ledger", () => honestExport],
  ["flip a bit of entry 5", () => honestExport.replace(/^((?:.*\n){4}.*)as it was/, "$1as it war")],
  ["delete entry 5", () => textOf(linesOf(honestExport).toSpliced(4, 1))],
  [
    "swap entries 5 and 6",
    () => {
      const lines = linesOf(honestExport);
      return textOf(lines.with(4, lines[5] ?? "").with(5, lines[4] ?? ""));
    },
  ],
  [
    "insert an entry after entry 5",
    () => textOf(linesOf(honestExport).toSpliced(5, 0, ledger(6, from(6, "forged"))[5]?.line ?? "")),
  ],
  ["leave entry 5 out of a range, with a gap in its place", () => gapAt(5)],
  ["cut the tail after entry 25, checkpoints and all", () => exportOf(honest.slice(0, 25), null)],
  ["cut the tail back to the checkpoint over 20", () => exportOf(honest.slice(0, 20))],
  ["cut the tail that no witness has seen", () => exportOf(honest.slice(0, 30))],
  ["delete everything", () => ""],
  [
    "rewrite from entry 15 on, leave the checkpoints",
    () => withCheckpointsOf(honestExport, ledger(40, from(15, "forged"))),
  ],
  ["rewrite from entry 15 on, drop the checkpoints", () => exportOf(ledger(40, from(15, "forged")), null)],
  ["rewrite from entry 15 on, sign with another key", () => exportOf(ledger(40, from(15, "forged")), thief)],
  ["rewrite from entry 15 on, sign with the stolen key", () => exportOf(ledger(40, from(15, "forged")))],
  ["rewrite everything without the key", () => exportOf(ledger(40, from(1, "forged")), thief)],
  ["rewrite everything with the stolen key", () => exportOf(ledger(40, from(1, "forged")))],
  ["rewrite from entry 35 on, with the stolen key", () => exportOf(ledger(40, from(35, "forged")))],
  ["restore the disk of entry 20 and stop there", () => exportOf(honest.slice(0, 20))],
  ["restore the disk of entry 20 and go on otherwise", () => exportOf(ledger(40, from(21, "second life")))],
  [
    "fork: show one auditor another ledger from entry 25 on",
    () => exportOf(ledger(40, from(25, "other branch"))),
  ],
  ["turn the clock back before entry 35", () => exportOf(ledger(40, from(35, "clock back")))],
];

/** An export of a range out of which one entry was taken, the rest being right. */
async function gapAt(seq: number): Promise<string> {
  const range = { since: honest[2]?.entry.time ?? "", until: honest[9]?.entry.time ?? "" };
  const lines = linesOf(await exportOf(honest, log, range));
  const leaf = leafHash(honest[seq - 1]?.line ?? "").toString("base64");
  const at = lines.findIndex((line) => line.includes(`"seq":${seq},`));
  return textOf(lines.with(at, JSON.stringify({ gap: { from: seq, to: seq, nodes: [leaf] } })));
}

/** The lines of other entries, with the checkpoints of an export where they were. */
function withCheckpointsOf(text: string, entries: readonly StoredEntry[]): string {
  let next = 0;
  return textOf(
    linesOf(text).map((line) => (line.startsWith('{"checkpoint"') ? line : (entries[next++]?.line ?? ""))),
  );
}

function cellOf({ firstBad, clockSteps, trustLevel, unwitnessed }: Verification): string {
  if (firstBad !== null) return `\`${firstBad.reason}\` at ${firstBad.seq ?? "the first line"}`;
  const told = clockSteps > 0 ? "verifies; the step of the clock is told" : "**verifies**";
  return trustLevel === "witnessed" ? `${told}; ${unwitnessed} unwitnessed` : told;
}

async function row(name: string, verify: (trust: Trust) => Promise<Verification>): Promise<string> {
  const cells: string[] = [];
  for (const trust of trusts) cells.push(cellOf(await verify(trust)));
  return `| ${[name, ...cells].join(" | ")} |`;
}

t.test("each attack has the verdict that docs/concepts/tampering.md shows for it", async (t) => {
  const rows: string[] = [];
  for (const [name, attack] of attacks) {
    const text = await attack();
    rows.push(await row(name, (trust) => verifyLines(iterate([Buffer.from(text)]), trust)));
  }
  const page = await readFile(join(import.meta.dirname, "../../../docs/concepts/tampering.md"), "utf8");
  const shown = page
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| what was done"));
  t.same(shown, rows);
});

t.test("nothing but the honest ledger and what nobody has seen passes for witnessed", async (t) => {
  const passing: string[] = [];
  for (const [name, attack] of attacks) {
    const text = await attack();
    const verdict = await verifyLines(iterate([Buffer.from(text)]), trusts[2]);
    if (verdict.ok && verdict.clockSteps === 0) passing.push(name);
  }
  t.same(passing, [
    "none: the honest ledger",
    "cut the tail that no witness has seen",
    "rewrite from entry 35 on, with the stolen key",
  ]);
});

t.test("two auditors who compare what they were given find the fork", async (t) => {
  const branches = [honest, ledger(40, from(25, "other branch"))] as const;
  for (const [mine, other] of [branches, [branches[1], branches[0]]] as const) {
    const theirs = parseCheckpoint(checkpoint(other, 40).checkpoint);
    if (theirs === null) throw new Error("not a checkpoint");
    const trust = { key: log.verifier, witness: { verifiers: [], seen: [theirs] } };
    const text = await exportOf(mine);
    t.match(await verifyLines(iterate([Buffer.from(text)]), trust), {
      ok: false,
      firstBad: { reason: "forked" },
    });
  }
});

/** A ledgerd in `directory` with a file witness, that appends so many entries and stops. */
async function live(t: Test, directory: string, count: number): Promise<string> {
  const fail = (error: unknown) => t.fail(String(error));
  const socket = join(directory, "watchd.sock");
  const ledgerd = await startLedgerd({
    store: join(directory, "store"),
    sockets: directory,
    host: "etl-01",
    writers: ["watchd"],
    witnesses: [{ kind: "file", path: join(directory, "seen") }],
    onTrouble: fail,
    onProblem: fail,
    onFatal: fail,
  });
  const connection = await connectLedger({ socket });
  for (let n = 0; n < count; n += 1) await connection.append({ ...draft, details: { n, at: Date.now() } });
  await connection.close();
  const { key } = await ledgerKey({ socket });
  await ledgerd.stop();
  return key;
}

t.test("a disk that was put back, or begun anew, is found out by what a file witness has seen", async (t) => {
  const directory = await temporaryDirectory(t);
  const store = join(directory, "store");
  const image = join(directory, "image");
  const key = parseVerifier(await live(t, directory, 10));
  await cp(store, image, { recursive: true });
  await live(t, directory, 10);
  const witness = await readWitnessFile(join(directory, "seen"));
  const verdict = async (trust: Trust) => {
    const { ok, firstBad, trustLevel } = await verifyDirectory(store, trust);
    return ok ? trustLevel : `${firstBad?.reason} at ${firstBad?.seq}`;
  };
  const restore = async () => {
    await rm(store, { recursive: true });
    await cp(image, store, { recursive: true });
  };
  const levels = async () => [
    await verdict(noTrust),
    await verdict({ key, witness: null }),
    await verdict({ key, witness }),
  ];
  t.same(await levels(), ["chain", "signed", "witnessed"], "as it is");
  await restore();
  t.same(await levels(), ["chain", "signed", "cut at 11"], "put back");
  await live(t, directory, 5);
  t.same(await levels(), ["chain", "signed", "cut at 16"], "put back, and a little later");
  await live(t, directory, 10);
  t.same(await levels(), ["chain", "signed", "forked at 11"], "put back, and much later");
  await rm(store, { recursive: true });
  await mkdir(store);
  await live(t, directory, 0);
  t.same(await levels(), ["chain", "unsigned at 1", "cut at 1"], "begun anew");
});
