import { cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import t, { type Test } from "tap";
import { connectLedger, ledgerStatus } from "./client.ts";
import { prepareEntry, zeroHash } from "./entry.ts";
import { planGroup } from "./group.ts";
import { storeKeys } from "./level.ts";
import { signLedger } from "./proof-client.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";
import { chainOf, draft, errorOf, eventually, startProgram, temporaryDirectory } from "./test-support.ts";
import { readVerifier, readWitnessFile } from "./trust-files.ts";
import { verifyDirectory } from "./verify-directory.ts";
import { verifyExport, verifyPath } from "./verify-export.ts";

async function append(store: Store, count: number): Promise<void> {
  const prepared = prepareEntry(draft, "etl-01", "watchd");
  const requests = Array.from({ length: count }, () => ({ writer: "watchd", prepared, key: null }));
  await store.commit(planGroup(store.state, new Map(), requests, "2026-11-23T10:00:00.000Z"));
}

async function ledgerOf(t: Test, count: number): Promise<string> {
  const directory = join(await temporaryDirectory(t), "ledger");
  const store = await Store.open(directory, "etl-01");
  if (count > 0) await append(store, count);
  await store.close();
  return directory;
}

async function tamper(
  directory: string,
  change: (db: Level<string, string>) => Promise<unknown>,
): Promise<void> {
  const db = new Level<string, string>(storePaths(directory).level);
  await change(db);
  await db.close();
}

/** Names, times and bytes of all files: what evidence must keep. */
async function stateOf(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const states = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const { mtimeMs, ctimeMs, size, ino } = await stat(path);
    const content = entry.isFile() ? (await readFile(path)).toString("latin1") : "";
    return `${path} ${mtimeMs} ${ctimeMs} ${size} ${ino} ${content}`;
  });
  return (await Promise.all(states)).sort();
}

t.test("a good ledger verifies whole, and not a byte or a time of it changes", async (t) => {
  const directory = await ledgerOf(t, 1200);
  const before = await stateOf(directory);
  const temporary = await temporaryDirectory(t);
  const { TMPDIR } = process.env;
  process.env.TMPDIR = temporary;
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });
  t.match(await verifyDirectory(directory), {
    ok: true,
    complete: true,
    entries: 1200,
    firstSeq: 1,
    lastSeq: 1200,
    host: "etl-01",
    firstBad: null,
  });
  t.same(await stateOf(directory), before);
  t.same(await readdir(temporary), [], "no copy is left");
});

t.test("a ledger without an entry yet is good", async (t) => {
  t.match(await verifyDirectory(await ledgerOf(t, 0)), {
    ok: true,
    complete: true,
    entries: 0,
    headHash: null,
  });
});

t.test("the first bad or missing entry is named, also further back than a start looks", async (t) => {
  const key = storeKeys.entry;
  const edit = (seq: number, from: string, to: string) => async (db: Level<string, string>) =>
    db.put(key(seq), String(await db.get(key(seq))).replace(from, to));
  const attacks: readonly (readonly [
    string,
    number,
    string,
    (db: Level<string, string>) => Promise<unknown>,
  ])[] = [
    ["content changed", 5, "wrong-hash", edit(5, "enricher", "Enricher")],
    ["made non-canonical", 5, "not-canonical", edit(5, '":', '": ')],
    ["garbled", 5, "not-json", (db) => db.put(key(5), "garbage")],
    ["emptied", 5, "not-json", (db) => db.put(key(5), "")],
    ["deleted", 5, "wrong-seq", (db) => db.del(key(5))],
    ["first deleted", 1, "wrong-seq", (db) => db.del(key(1))],
    ["doubled", 6, "wrong-seq", async (db) => db.put(key(6), String(await db.get(key(5))))],
    ["tail cut", 1100, "wrong-head", (db) => db.del(key(1100))],
    ["one added", 1101, "not-json", (db) => db.put(key(1101), "more")],
    ["head moved", 1101, "wrong-head", (db) => db.put(storeKeys.head, `{"hash":"${zeroHash}","seq":1100}`)],
    ["head garbled", 1101, "unreadable", (db) => db.put(storeKeys.head, "{")],
    ["all deleted", 1, "unreadable", (db) => db.clear()],
    [
      "a good chain of another host",
      1,
      "wrong-head",
      async (db) => {
        await db.clear();
        const [entry] = chainOf(1, "etl-02");
        await db.put(key(1), entry?.line ?? "");
        await db.put(storeKeys.head, `{"hash":"${entry?.hash}","seq":1}`);
      },
    ],
  ];
  const good = await ledgerOf(t, 1100);
  for (const [name, seq, reason, attack] of attacks) {
    const directory = join(await temporaryDirectory(t), "ledger");
    await cp(good, directory, { recursive: true });
    await tamper(directory, attack);
    const { ok, firstBad } = await verifyDirectory(directory);
    const expected = name === "a good chain of another host" ? 2 : seq;
    t.match({ ok, ...firstBad }, { ok: false, seq: expected, line: expected, reason }, name);
    t.notMatch(firstBad?.message, /daruma-verify/, "no temporary path is told");
  }
});

t.test("the head file shows what LevelDB has lost without a word", async (t) => {
  const directory = await ledgerOf(t, 50);
  const { level } = storePaths(directory);
  const log = (await readdir(level)).find((name) => name.endsWith(".log")) ?? "";
  await writeFile(join(level, log), "");
  const { ok, firstBad } = await verifyDirectory(directory);
  t.notOk(ok);
  t.equal(firstBad?.seq, 1);
});

t.test("every byte flipped in LevelDB's files is found, or changes no entry", async (t) => {
  const directory = await ledgerOf(t, 30);
  const { level } = storePaths(directory);
  for (const name of await readdir(level)) {
    if (!/^(CURRENT|MANIFEST|.*\.log)/.test(name)) continue;
    const good = await readFile(join(level, name));
    for (let at = 0; at < good.length; at += Math.max(1, Math.floor(good.length / 12))) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      await writeFile(join(level, name), bad);
      const verdict = await verifyDirectory(directory).catch((error: { code: string }) => error.code);
      const found = verdict === "LEDGER_E_DAMAGED" || (typeof verdict === "object" && !verdict.ok);
      const intact = typeof verdict === "object" && verdict.ok && verdict.entries === 30;
      t.ok(found || intact, `${name} at ${at}`);
      if (name.endsWith(".log")) t.ok(found, `${name} at ${at} holds entries`);
    }
    await writeFile(join(level, name), good);
  }
  t.ok((await verifyDirectory(directory)).ok);
});

t.test(
  "whatever is cut or flipped in a signed and witnessed ledger is named, or has changed nothing",
  { timeout: 110_000 },
  async (t) => {
    const root = await temporaryDirectory(t);
    const program = await startProgram(t, root, ["--witness-file", join(root, "seen")]);
    const connection = await connectLedger({ socket: program.socket });
    for (let n = 1; n <= 20; n += 1) await connection.append({ ...draft, details: { n } });
    await signLedger({ socket: program.socket });
    await eventually("it is witnessed", async () =>
      (await ledgerStatus({ socket: program.socket })).witnessed === 20 ? true : undefined,
    );
    for (let n = 1; n <= 5; n += 1) await connection.append({ ...draft, details: { n } });
    program.process.kill("SIGKILL");
    await program.exited;
    const trust = {
      key: await readVerifier(join(program.store, "public-key")),
      witness: await readWitnessFile(join(root, "seen")),
    };
    t.match(await verifyDirectory(program.store, trust), {
      ok: true,
      entries: 25,
      signed: 20,
      witnessed: 20,
      unwitnessed: 5,
    });
    const { level, head } = storePaths(program.store);
    const names = (await readdir(level)).filter((name) => /^(CURRENT|MANIFEST|.*\.log)/.test(name));
    for (const file of [head, ...names.map((name) => join(level, name))]) {
      const good = await readFile(file);
      for (let at = 0; at < good.length; at += Math.max(1, Math.floor(good.length / 16))) {
        const flipped = Buffer.from(good);
        flipped[at] = (flipped[at] ?? 0) ^ 0x04;
        for (const bad of [flipped, good.subarray(0, at)]) {
          await writeFile(file, bad);
          const verdict = await verifyDirectory(program.store, trust).catch(
            (error: { code: string }) => error.code,
          );
          const named = verdict === "LEDGER_E_DAMAGED" || verdict === "LEDGER_E_NOT_FOUND";
          const fails = typeof verdict === "object" && !verdict.ok;
          const intact = typeof verdict === "object" && verdict.entries === 25 && verdict.witnessed === 20;
          t.ok(named || fails || intact, `${file} at ${at}`);
        }
      }
      await writeFile(file, good);
    }
  },
);

t.test("a directory without a ledger, or none at all, is not found", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, "file"), "");
  await mkdir(join(directory, "store/entries"), { recursive: true });
  for (const path of [
    directory,
    join(directory, "gone"),
    join(directory, "file"),
    join(directory, "store"),
  ]) {
    t.equal((await errorOf(verifyDirectory(path))).code, "LEDGER_E_NOT_FOUND", path);
  }
});

t.test("entries that are gone are told by the head file", async (t) => {
  const directory = await ledgerOf(t, 5);
  const { level } = storePaths(directory);
  await rm(level, { recursive: true });
  await mkdir(level);
  t.match(await verifyDirectory(directory), { ok: false, firstBad: { seq: 1, reason: "wrong-head" } });
});

t.test("links in the directory are not followed", async (t) => {
  const directory = await ledgerOf(t, 5);
  await symlink("/dev/zero", join(storePaths(directory).level, "999999.log"));
  t.ok((await verifyDirectory(directory)).ok);
});

t.test("a living ledgerd is left alone, and the hint is to export first", async (t) => {
  const { store } = await startProgram(t, await temporaryDirectory(t));
  const before = await stateOf(store);
  const error = await errorOf(verifyDirectory(store));
  t.equal(error.code, "LEDGER_E_LOCKED");
  t.match(error.hint, /export/);
  t.same(await stateOf(store), before);
});

t.test("a path is verified as what it is", async (t) => {
  const directory = await ledgerOf(t, 3);
  const file = join(directory, "export.jsonl");
  await writeFile(
    file,
    chainOf(4)
      .map(({ line }) => `${line}\n`)
      .join(""),
  );
  t.equal((await verifyPath(directory)).entries, 3);
  t.equal((await verifyPath(file)).entries, 4);
  t.equal((await errorOf(verifyPath(join(directory, "gone")))).code, "LEDGER_E_NOT_FOUND");
  t.equal((await errorOf(verifyExport(directory))).code, "LEDGER_E_NOT_FOUND");
});

t.test("a large export is verified without being held in memory", async (t) => {
  const file = join(await temporaryDirectory(t), "export.jsonl");
  const entries = chainOf(20_000);
  await writeFile(file, entries.map(({ line }) => `${line}\n`).join(""));
  t.match(await verifyExport(file), { ok: true, entries: 20_000, headHash: entries.at(-1)?.hash });
});
