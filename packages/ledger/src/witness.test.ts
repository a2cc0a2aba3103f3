import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { parseCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { Frontier, leafHash } from "./merkle.ts";
import { consistencyRanges } from "./merkle-proof.ts";
import { keyType, makeSigner, parseNote, parseVerifier, type Signer, verifyNote } from "./signed-note.ts";
import { errorOf, temporaryDirectory } from "./test-support.ts";
import { parseAddCheckpoint, printAddCheckpoint } from "./witness.ts";
import { originHash } from "./witness-records.ts";
import { startWitness, type Witness } from "./witness-server.ts";

const log = makeSigner("daruma/etl-01", keyType.note, Buffer.alloc(32, 1));
const other = makeSigner("daruma/etl-02", keyType.note, Buffer.alloc(32, 2));
const now = 1_795_000_000;

function rootOf(from: number, to: number, salt = ""): Buffer {
  const frontier = new Frontier(from);
  for (let index = from; index < to; index++) frontier.push(leafHash(`${index}${salt}`));
  return frontier.root();
}

function checkpoint(size: number, { signer = log, origin = log.verifier.name, salt = "" } = {}): string {
  return signCheckpoint(signer, { origin, size, root: rootOf(0, size, salt) });
}

const proof = (oldSize: number, size: number) =>
  consistencyRanges(oldSize, size).map(({ from, to }) => rootOf(from, to));

const request = (oldSize: number, size: number) =>
  printAddCheckpoint(oldSize, proof(oldSize, size), checkpoint(size));

async function start(t: Test, state: string, logs: readonly Signer[] = [log]): Promise<Witness> {
  const witness = await startWitness({
    state,
    name: "witness.example/w1",
    logs: logs.map(({ verifier }) => verifier),
    host: "127.0.0.1",
    port: 0,
    onProblem: (error) => t.fail(String(error)),
    now: () => now,
  });
  t.teardown(() => witness.stop());
  return witness;
}

async function post(witness: Witness, body: string): Promise<{ status: number; text: string; type: string }> {
  const response = await fetch(`${witness.url}/add-checkpoint`, { method: "POST", body });
  const type = response.headers.get("content-type") ?? "";
  return { status: response.status, text: await response.text(), type };
}

t.test("a witness cosigns what is consistent with what it cosigned last", async (t) => {
  const witness = await start(t, await temporaryDirectory(t));
  const verifier = parseVerifier(witness.key);
  if (verifier === null) throw new Error("not a vkey");
  let last = 0;
  for (const size of [5, 5, 8, 300, 301]) {
    const { status, text } = await post(witness, request(last, size));
    t.equal(status, 200, `${last} to ${size}: ${text}`);
    const note = parseNote(`${checkpoint(size)}${text}`);
    if (note === null) throw new Error("not a note");
    t.match(verifyNote(note, verifier), { kind: "good", timeSeconds: now });
    last = size;
  }
});

t.test("each refusal has the status that the specification gives it", async (t) => {
  const witness = await start(t, await temporaryDirectory(t));
  t.equal((await post(witness, request(0, 10))).status, 200);
  const attempts: readonly (readonly [string, number, string])[] = [
    [
      "another log",
      404,
      printAddCheckpoint(0, [], checkpoint(10, { signer: other, origin: "daruma/etl-02" })),
    ],
    ["another key", 403, printAddCheckpoint(10, proof(10, 12), checkpoint(12, { signer: other }))],
    ["a bad signature", 403, request(10, 12).replace(/(\u2014 \S+ .{20})../, "$1AA")],
    ["an old size beyond the new one", 400, request(10, 10).replace("old 10", "old 11")],
    ["an old size that is behind", 409, request(4, 12)],
    ["no old size where there is one", 409, request(0, 12)],
    ["a rollback", 409, request(0, 8)],
    ["no proof", 422, printAddCheckpoint(10, [], checkpoint(12))],
    ["another proof", 422, printAddCheckpoint(10, proof(9, 12), checkpoint(12))],
    ["other entries", 422, printAddCheckpoint(10, proof(10, 12), checkpoint(12, { salt: "x" }))],
    ["other entries, of the same size", 422, printAddCheckpoint(10, [], checkpoint(10, { salt: "x" }))],
    ["nonsense", 400, "nonsense"],
    ["nothing", 400, ""],
    ["too many hashes", 400, printAddCheckpoint(10, Array(64).fill(rootOf(0, 1)), checkpoint(12))],
    ["too much", 413, "x".repeat(200_000)],
  ];
  for (const [name, status, body] of attempts) {
    const answer = await post(witness, body);
    t.equal(answer.status, status, `${name}: ${answer.text}`);
    if (status === 409) t.match(answer, { text: "10\n", type: "text/x.tlog.size" });
  }
  t.equal((await post(witness, request(10, 12))).status, 200, "and it goes on where it was");
  t.equal((await fetch(`${witness.url}/other`)).status, 404);
  t.equal((await fetch(`${witness.url}/other`, { method: "POST" })).status, 404);
});

t.test("a proof to the empty tree's successor must be empty", async (t) => {
  const witness = await start(t, await temporaryDirectory(t));
  t.equal((await post(witness, printAddCheckpoint(0, proof(4, 8), checkpoint(8)))).status, 422);
  t.equal((await post(witness, printAddCheckpoint(0, [], checkpoint(0)))).status, 200);
  const wrong = signCheckpoint(log, { origin: log.verifier.name, size: 0, root: rootOf(0, 1) });
  t.equal((await post(witness, printAddCheckpoint(0, [], wrong))).status, 422);
});

t.test("two requests at once never take the record back", async (t) => {
  const state = await temporaryDirectory(t);
  const witness = await start(t, state);
  t.equal((await post(witness, request(0, 10))).status, 200);
  const sizes = [20, 30, 40, 50];
  const answers = await Promise.all(sizes.map((size) => post(witness, request(10, size))));
  t.equal(answers.filter(({ status }) => status === 200).length, 1);
  t.equal(answers.filter(({ status }) => status === 409).length, 3);
  const cosigned = sizes[answers.findIndex(({ status }) => status === 200)];
  const record = parseCheckpoint(await readFile(join(state, originHash(log.verifier.name)), "utf8"));
  t.equal(record?.size, cosigned);
});

t.test("a witness that was stopped goes on from its record, and with its key", async (t) => {
  const state = await temporaryDirectory(t);
  const first = await start(t, state);
  await post(first, request(0, 10));
  await first.stop();
  const again = await start(t, state);
  t.equal(again.key, first.key);
  t.equal((await post(again, request(0, 20))).status, 409);
  t.equal((await post(again, request(10, 20))).status, 200);
  t.notOk((await readdir(state)).some((name) => name.endsWith(".tmp")));
});

t.test("what it has cosigned is served, with both signatures", async (t) => {
  const witness = await start(t, await temporaryDirectory(t));
  const url = `${witness.url}/${originHash(log.verifier.name)}/checkpoint`;
  t.equal((await fetch(url)).status, 404);
  await post(witness, request(0, 10));
  const note = parseNote(await (await fetch(url)).text());
  const verifier = parseVerifier(witness.key);
  if (note === null || verifier === null) throw new Error("not readable");
  t.equal(verifyNote(note, verifier).kind, "good");
  t.equal(verifyNote(note, log.verifier).kind, "good");
});

t.test("a record that is damaged is not taken for none", async (t) => {
  const state = await temporaryDirectory(t);
  const witness = await start(t, state);
  await post(witness, request(0, 10));
  await witness.stop();
  const file = join(state, originHash(log.verifier.name));
  const good = await readFile(file, "utf8");
  for (const bad of ["", "garbage", good.replace("\n10\n", "\n9\n"), checkpoint(10)]) {
    await writeFile(file, bad);
    t.equal((await errorOf(start(t, state))).code, "LEDGER_E_WITNESS_RECORD");
  }
  await writeFile(file, good);
  await (await start(t, state)).stop();
});

t.test("one process has a witness's state", async (t) => {
  const state = await temporaryDirectory(t);
  await start(t, state);
  t.equal((await errorOf(start(t, state))).code, "LEDGER_E_LOCKED");
});

t.test("a request reads as it was printed, and in no other form", async (t) => {
  const text = request(10, 12);
  const read = parseAddCheckpoint(text);
  t.match(read, { oldSize: 10, checkpoint: { size: 12 } });
  t.same(read?.proof, proof(10, 12));
  for (const bad of [
    text.replace("old 10", "old 010"),
    text.replace("old 10", "old -1"),
    text.replace("old 10", "old  10"),
    text.replace("old 10\n", "old 10\nAAAA\n"),
    text.replace("old 10\n", "old 10\n \n"),
    text.replace("old", "new"),
    text.slice(0, -1),
  ]) {
    t.equal(parseAddCheckpoint(bad), null, JSON.stringify(bad.slice(0, 40)));
  }
});
