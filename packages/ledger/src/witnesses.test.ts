import { chmod, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DarumaError } from "@daruma/base";
import t, { type Test } from "tap";
import { parseCheckpoint } from "./checkpoint.ts";
import { connectLedger, ledgerStatus } from "./client.ts";
import { ledgerCheckpoint, ledgerWitnesses, signLedger } from "./proof-client.ts";
import { type Ledgerd, startLedgerd } from "./server.ts";
import { keyType, makeSigner, parseVerifier, type Verifier, verifyNote } from "./signed-note.ts";
import { createKey, readKey } from "./signing-key.ts";
import { draft, eventually, spawnLedgerd, temporaryDirectory } from "./test-support.ts";
import { readWitnessFile } from "./trust-files.ts";
import { parseHttpWitness, parseWitnessOptions } from "./witness-options.ts";
import { startWitness, type Witness } from "./witness-server.ts";
import type { WitnessSpec } from "./witnesses.ts";

const backoff = { initialMs: 5, factor: 2, maxMs: 20 };

interface Served extends Ledgerd {
  readonly socket: string;
  readonly told: (string | null)[];
}

async function serve(t: Test, directory: string, witnesses: readonly WitnessSpec[]): Promise<Served> {
  const fail = (error: unknown) => t.fail(String(error));
  const told: (string | null)[] = [];
  const ledgerd = await startLedgerd({
    store: join(directory, "store"),
    sockets: directory,
    host: "etl-01",
    writers: ["watchd"],
    pace: { everyEntries: 1_000_000, everyMs: 3_600_000 },
    witnesses,
    backoff,
    onTrouble: fail,
    onProblem: fail,
    onWitness: (error: DarumaError | null) => told.push(error?.code ?? null),
    onFatal: fail,
  });
  t.teardown(() => ledgerd.stop());
  return { ...ledgerd, socket: join(directory, "watchd.sock"), told };
}

async function append(socket: string, count: number): Promise<void> {
  const connection = await connectLedger({ socket });
  await Promise.all(Array.from({ length: count }, (_, n) => connection.append({ ...draft, details: { n } })));
  await connection.close();
}

async function witnessed(socket: string, size: number): Promise<void> {
  await eventually(`${size} are witnessed`, async () =>
    (await ledgerStatus({ socket })).witnessed === size ? true : undefined,
  );
}

function keyOf(vkey: string): Verifier {
  const verifier = parseVerifier(vkey);
  if (verifier === null) throw new Error(`not a vkey: ${vkey}`);
  return verifier;
}

/** A ledgerd's key, made before it starts, and a witness that knows it. */
async function witnessOf(
  t: Test,
  directory: string,
  port = 0,
): Promise<{ witness: Witness; spec: WitnessSpec }> {
  await mkdir(join(directory, "store"), { recursive: true });
  const place = { directory: join(directory, "store"), name: "daruma/etl-01", type: keyType.note };
  const log = (await readKey(place)) ?? (await createKey(place));
  const witness = await startWitness({
    state: join(directory, "witness"),
    name: "witness.example",
    logs: [log.verifier],
    host: "127.0.0.1",
    port,
    onProblem: (error) => t.fail(String(error)),
  });
  t.teardown(() => witness.stop());
  return { witness, spec: { kind: "http", url: witness.url, verifier: keyOf(witness.key) } };
}

t.test("each checkpoint is cosigned, and the cosignature is stored with it", async (t) => {
  const directory = await temporaryDirectory(t);
  const { witness, spec } = await witnessOf(t, directory);
  const { socket, stop, told } = await serve(t, directory, [spec]);
  for (const size of [3, 300, 301]) {
    await append(socket, size - (await ledgerStatus({ socket })).entries);
    await signLedger({ socket });
    await witnessed(socket, size);
    const checkpoint = parseCheckpoint((await ledgerCheckpoint({ socket }, size)).checkpoint);
    if (checkpoint === null) throw new Error("not a checkpoint");
    t.equal(verifyNote(checkpoint.note, keyOf(witness.key)).kind, "good");
  }
  t.match(await ledgerWitnesses({ socket }), {
    witnesses: [{ name: "witness.example", size: 301, trouble: null }],
  });
  await append(socket, 4);
  await stop();
  t.same(told, []);
  const again = await serve(t, directory, [spec]);
  t.equal(
    (await ledgerStatus({ socket: again.socket })).witnessed,
    305,
    "the last one was handed over when it stopped",
  );
});

t.test(
  "appends do not wait for a witness that is away, and it gets the newest when it is back",
  async (t) => {
    const directory = await temporaryDirectory(t);
    const first = await witnessOf(t, directory);
    await first.witness.stop();
    const { socket, told } = await serve(t, directory, [first.spec]);
    for (const _ of [1, 2, 3]) {
      await append(socket, 10);
      await signLedger({ socket });
    }
    await eventually("it is told", () => (told.length > 0 ? true : undefined));
    t.match((await ledgerWitnesses({ socket })).witnesses, [{ size: 0, trouble: /UNREACHABLE.*no answer/ }]);
    await witnessOf(t, directory, Number(new URL(first.witness.url).port));
    await witnessed(socket, 30);
    t.same(told, ["LEDGER_E_WITNESS_UNREACHABLE", null], "once, and once that it works again");
  },
);

t.test("what was signed while no witness was configured is handed over when one is", async (t) => {
  const directory = await temporaryDirectory(t);
  const { spec } = await witnessOf(t, directory);
  const first = await serve(t, directory, [spec]);
  await append(first.socket, 10);
  await signLedger({ socket: first.socket });
  await witnessed(first.socket, 10);
  await first.stop();
  const other = await serve(t, directory, []);
  await append(other.socket, 5);
  await other.stop();
  const again = await serve(t, directory, [spec]);
  await witnessed(again.socket, 15);
  t.same(again.told, []);
});

t.test("a ledger that was rolled back is refused by its witness, and says so", async (t) => {
  const directory = await temporaryDirectory(t);
  const { spec } = await witnessOf(t, directory);
  const first = await serve(t, directory, [spec]);
  await append(first.socket, 5);
  await first.stop();
  await cp(join(directory, "store"), join(directory, "image"), { recursive: true });
  const second = await serve(t, directory, [spec]);
  await append(second.socket, 5);
  await second.stop();
  for (const count of [2, 7]) {
    await rm(join(directory, "store"), { recursive: true });
    await cp(join(directory, "image"), join(directory, "store"), { recursive: true });
    const restored = await serve(t, directory, [spec]);
    await append(restored.socket, count);
    await signLedger({ socket: restored.socket });
    await eventually("it is told", () => (restored.told.length > 0 ? true : undefined));
    t.same(restored.told, ["LEDGER_E_WITNESS_REFUSED"], `${count} other entries`);
    await restored.stop();
  }
});

t.test("a file gets each checkpoint as a line, and can be verified against", async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, "seen");
  await writeFile(path, '{"checkpoint":"torn');
  const { socket, stop } = await serve(t, directory, [{ kind: "file", path }]);
  await append(socket, 3);
  await signLedger({ socket });
  await witnessed(socket, 3);
  await append(socket, 3);
  await stop();
  const lines = (await readFile(path, "utf8")).split("\n");
  t.equal(lines.length, 4, "the torn line, two checkpoints, and the end");
  const record = await readWitnessFile(path);
  t.same(
    record.seen.map(({ size }) => size),
    [3, 6],
  );
  const again = await serve(t, directory, [{ kind: "file", path }]);
  t.equal((await ledgerStatus({ socket: again.socket })).witnessed, 6);
  await again.stop();
  t.equal((await readFile(path, "utf8")).split("\n").length, 4, "nothing is handed over twice");
});

t.test("a command gets the checkpoint on its stdin, and its exit code decides", async (t) => {
  const directory = await temporaryDirectory(t);
  const program = join(directory, "hook");
  const failing = join(directory, "failing");
  await writeFile(failing, "");
  await writeFile(
    program,
    `#!/bin/sh\n[ -e ${failing} ] && { echo "no room" >&2; exit 3; }\ncat > ${directory}/out\necho "$DARUMA_LEDGER_ORIGIN $DARUMA_LEDGER_SIZE" > ${directory}/env\n`,
  );
  await chmod(program, 0o755);
  const { socket, told } = await serve(t, directory, [{ kind: "command", program }]);
  await append(socket, 3);
  const { checkpoint } = await signLedger({ socket });
  await eventually("it is told", () => (told.length > 0 ? true : undefined));
  t.match((await ledgerWitnesses({ socket })).witnesses, [{ trouble: /it ended with 3: no room/ }]);
  await rm(failing);
  await witnessed(socket, 3);
  t.equal(await readFile(join(directory, "out"), "utf8"), checkpoint);
  t.equal(await readFile(join(directory, "env"), "utf8"), "daruma/etl-01 3\n");
});

t.test("`ledgerd witness` serves, says how, and stops", async (t) => {
  const directory = await temporaryDirectory(t);
  const log = makeSigner("daruma/etl-01", keyType.note, Buffer.alloc(32, 1));
  await writeFile(join(directory, "log"), `${log.verifier.vkey}\n`);
  const flags = ["witness", "--state", join(directory, "state"), "--name", "w1"];
  const program = spawnLedgerd([...flags, "--listen", "127.0.0.1:0", "--log", join(directory, "log")]);
  t.teardown(() => program.process.kill("SIGKILL"));
  let stdout = "";
  program.process.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("utf8");
  });
  const line = await eventually("it is ready", () => (stdout.endsWith("\n") ? stdout : undefined));
  const ready = JSON.parse(line);
  t.match(ready, { ready: true, key: /^w1\+/, logs: ["daruma/etl-01"] });
  t.equal((await fetch(`${ready.url}/x`)).status, 404);
  program.process.kill("SIGTERM");
  t.equal(await program.exited, 0);
  t.equal(program.stderr(), "");
});

t.test("the witness's arguments are checked", async (t) => {
  const good = ["--state", "s", "--name", "w", "--listen", "[::1]:80", "--log", "a", "--log", "b"];
  t.same(parseWitnessOptions(good), { state: "s", name: "w", host: "::1", port: 80, logs: ["a", "b"] });
  for (const wrong of [
    good.slice(2),
    good.with(1, ""),
    good.with(3, "a b"),
    good.with(5, "80"),
    good.with(5, "a:99999"),
    good.slice(0, 6),
    [...good, "x"],
  ]) {
    t.throws(() => parseWitnessOptions(wrong), { code: "LEDGER_E_USAGE" }, wrong.join(" "));
  }
  const witness = makeSigner("w", keyType.cosignature, Buffer.alloc(32, 2)).verifier.vkey;
  const log = makeSigner("w", keyType.note, Buffer.alloc(32, 2)).verifier.vkey;
  t.match(parseHttpWitness(`https://w.example/a/#${witness}`), { kind: "http", url: "https://w.example/a" });
  for (const wrong of [
    "https://w.example",
    `w.example#${witness}`,
    `ftp://w#${witness}`,
    `https://w#${log}`,
    "#",
  ]) {
    t.throws(() => parseHttpWitness(wrong), { code: "LEDGER_E_USAGE" }, wrong);
  }
});
