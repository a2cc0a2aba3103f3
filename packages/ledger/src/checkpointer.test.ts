import { chmod, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { parseCheckpoint } from "./checkpoint.ts";
import type { CheckpointPace } from "./checkpointer.ts";
import { connectLedger, ledgerStatus } from "./client.ts";
import { Frontier, leafHash } from "./merkle.ts";
import { isConsistent, isIncluded } from "./merkle-proof.ts";
import { consistencyProof, inclusionProof, ledgerCheckpoint, ledgerKey, signLedger } from "./proof-client.ts";
import { readEntries } from "./reader.ts";
import { type Ledgerd, startLedgerd } from "./server.ts";
import { keyType, makeSigner, parseVerifier, printSigner, verifyNote } from "./signed-note.ts";
import { keyPaths } from "./signing-key.ts";
import { draft, errorOf, eventually, startProgram, temporaryDirectory } from "./test-support.ts";

const never: CheckpointPace = { everyEntries: 1_000_000, everyMs: 3_600_000 };

async function serve(
  t: Test,
  directory: string,
  pace = never,
): Promise<Ledgerd & { readonly socket: string }> {
  const fail = (error: unknown) => t.fail(String(error));
  const ledgerd = await startLedgerd({
    store: join(directory, "store"),
    sockets: directory,
    host: "etl-01",
    writers: ["watchd"],
    pace,
    onTrouble: fail,
    onProblem: fail,
    onFatal: fail,
  });
  t.teardown(() => ledgerd.stop());
  return { ...ledgerd, socket: join(directory, "watchd.sock") };
}

async function append(socket: string, count: number): Promise<void> {
  const connection = await connectLedger({ socket });
  await Promise.all(Array.from({ length: count }, (_, n) => connection.append({ ...draft, details: { n } })));
  await connection.close();
}

async function linesOf(socket: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { line } of readEntries({ socket })) lines.push(line);
  return lines;
}

function rootOf(lines: readonly string[]): Buffer {
  const frontier = new Frontier();
  for (const line of lines) frontier.push(leafHash(line));
  return frontier.root();
}

const hashes = (proof: readonly string[]) => proof.map((hash) => Buffer.from(hash, "base64"));

t.test("a checkpoint is over the entries as they are, signed with the key that ledgerd tells", async (t) => {
  const { socket, key } = await serve(t, await temporaryDirectory(t));
  t.equal((await errorOf(signLedger({ socket }))).code, "LEDGER_E_BAD_REQUEST", "there is no entry yet");
  await append(socket, 300);
  const { size, checkpoint } = await signLedger({ socket });
  t.equal(size, 300);
  const document = await ledgerKey({ socket });
  t.match(document, { origin: "daruma/etl-01", key });
  const verifier = parseVerifier(document.key);
  const parsed = parseCheckpoint(checkpoint);
  if (verifier === null || parsed === null) throw new Error("not readable");
  t.match(parsed, { origin: "daruma/etl-01", size: 300 });
  t.equal(verifyNote(parsed.note, verifier).kind, "good");
  t.same(parsed.root, rootOf(await linesOf(socket)));
  t.same(
    await signLedger({ socket }),
    await ledgerCheckpoint({ socket }),
    "nothing new, nothing signed again",
  );
  t.same(await ledgerCheckpoint({ socket }, 300), await ledgerCheckpoint({ socket }));
  t.equal((await errorOf(ledgerCheckpoint({ socket }, 299))).code, "LEDGER_E_BAD_REQUEST");
});

t.test("proofs from the socket hold", async (t) => {
  const { socket } = await serve(t, await temporaryDirectory(t));
  await append(socket, 700);
  const lines = await linesOf(socket);
  const root = rootOf(lines);
  for (const seq of [1, 256, 257, 700]) {
    const { proof } = await inclusionProof({ socket }, seq, 700);
    t.ok(isIncluded(leafHash(lines[seq - 1] ?? ""), seq - 1, 700, hashes(proof), root), `entry ${seq}`);
  }
  for (const from of [0, 1, 300, 512, 700]) {
    const { proof } = await consistencyProof({ socket }, from, 700);
    t.ok(isConsistent(from, rootOf(lines.slice(0, from)), 700, root, hashes(proof)), `from ${from}`);
  }
  for (const [seq, size] of [
    [0, 700],
    [701, 700],
    [1, 701],
  ] as const) {
    t.equal((await errorOf(inclusionProof({ socket }, seq, size))).code, "LEDGER_E_BAD_REQUEST");
  }
  t.equal((await errorOf(consistencyProof({ socket }, 5, 4))).code, "LEDGER_E_BAD_REQUEST");
});

t.test("checkpoints are signed every so many entries, after a while, and at the end", async (t) => {
  const directory = await temporaryDirectory(t);
  const signed = async (socket: string) => (await ledgerStatus({ socket })).signed;
  const busy = await serve(t, directory, { everyEntries: 50, everyMs: 3_600_000 });
  await append(busy.socket, 49);
  t.equal(await signed(busy.socket), 0);
  await append(busy.socket, 1);
  await eventually("50 are signed", async () => ((await signed(busy.socket)) === 50 ? true : undefined));
  await append(busy.socket, 3);
  await busy.stop();
  const slow = await serve(t, directory, { everyEntries: 1_000_000, everyMs: 20 });
  t.equal(await signed(slow.socket), 53, "what was left is signed at the end");
  await append(slow.socket, 2);
  await eventually("the rest is signed", async () => ((await signed(slow.socket)) === 55 ? true : undefined));
  await slow.stop();
});

t.test("entries that a killed ledgerd has left unsigned are signed by the next one", async (t) => {
  const directory = await temporaryDirectory(t);
  const program = await startProgram(t, directory);
  await append(program.socket, 5);
  program.process.kill("SIGKILL");
  await program.exited;
  const { socket } = await serve(t, directory, { everyEntries: 1_000_000, everyMs: 20 });
  await eventually("they are signed", async () =>
    (await ledgerStatus({ socket })).signed === 5 ? true : undefined,
  );
});

t.test("the private key is for its owner alone, the public one is beside it, and both stay", async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await serve(t, directory);
  await append(first.socket, 1);
  await first.stop();
  const files = keyPaths(join(directory, "store"));
  t.equal((await stat(files.private)).mode & 0o777, 0o600);
  t.equal(await readFile(files.public, "utf8"), `${first.key}\n`);
  t.match(await readFile(files.private, "utf8"), /^PRIVATE\+KEY\+daruma\/etl-01\+/);
  await rm(files.public);
  const again = await serve(t, directory);
  t.equal(again.key, first.key);
  t.equal(await readFile(files.public, "utf8"), `${first.key}\n`);
  await again.stop();
});

t.test(
  "a key that is gone, garbled, another one's or open to others keeps the ledger from starting",
  async (t) => {
    const directory = await temporaryDirectory(t);
    const first = await serve(t, directory);
    await append(first.socket, 1);
    await first.stop();
    const file = keyPaths(join(directory, "store")).private;
    const good = await readFile(file, "utf8");
    const other = await temporaryDirectory(t);
    await (await serve(t, other)).stop();
    const another = await readFile(keyPaths(join(other, "store")).private, "utf8");
    const ofOtherHost = makeSigner("daruma/etl-02", keyType.note, Buffer.alloc(32));
    const attempts: readonly (readonly [RegExp, () => Promise<unknown>])[] = [
      [/is missing, but checkpoints were signed/, () => rm(file)],
      [/holds no private key/, () => writeFile(file, "garbage", { mode: 0o600 })],
      [/has not signed the last checkpoint/, () => writeFile(file, another)],
      [/key of daruma\/etl-02/, () => writeFile(file, printSigner(ofOtherHost))],
      [/other users/, () => chmod(file, 0o640)],
    ];
    for (const [message, spoil] of attempts) {
      await spoil();
      const error = await errorOf(serve(t, directory));
      t.equal(error.code, "LEDGER_E_KEY");
      t.match(error.message, message);
      await writeFile(file, good, { mode: 0o600 });
      await chmod(file, 0o600);
    }
    const again = await serve(t, directory);
    t.equal(again.key, first.key);
    await again.stop();
  },
);
