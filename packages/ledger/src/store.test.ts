import { appendFile, chmod, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import t, { type Test } from "tap";
import { type Head, prepareEntry, zeroHash } from "./entry.ts";
import { planGroup } from "./group.ts";
import { storeKeys } from "./level.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";
import { draft, errorOf, temporaryDirectory } from "./test-support.ts";
import { ChainVerifier } from "./verify.ts";

const host = "etl-01";

async function append(store: Store, count: number, n: number | null = null): Promise<void> {
  const key = n === null ? null : { epoch: "e1", n };
  const prepared = prepareEntry({ ...draft, details: { text: "x".repeat(200) } }, host, "watchd");
  const requests = Array.from({ length: count }, () => ({ writer: "watchd", prepared, key }));
  await store.commit(planGroup(store.state, new Map(), requests, "2026-11-23T10:00:00.000Z"));
}

async function readAll(store: Store, after = 0): Promise<readonly Buffer[]> {
  const all: Buffer[] = [];
  for (;;) {
    const some = await store.read(after + all.length, Number.POSITIVE_INFINITY);
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** A closed ledger of `groups` groups of ten. */
async function closedLedger(t: Test, groups = 3): Promise<{ directory: string; head: Head }> {
  const directory = join(await temporaryDirectory(t), "ledger");
  const store = await Store.open(directory, host);
  for (let group = 0; group < groups; group++) await append(store, 10);
  await store.close();
  return { directory, head: store.state.head };
}

/** Changes the LevelDB of a closed ledger behind its back. */
async function tamper(
  directory: string,
  change: (db: Level<string, string>) => Promise<unknown>,
): Promise<void> {
  const db = new Level<string, string>(storePaths(directory).level);
  await change(db);
  await db.close();
}

/** All files with their content, to show that nothing has changed. */
async function contentOf(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = files
    .sort()
    .map(async (file) => [file, (await readFile(file)).toString("latin1")] as const);
  return Object.fromEntries(await Promise.all(contents));
}

t.test("what was committed is there after opening again, with the keys of its writers", async (t) => {
  const directory = join(await temporaryDirectory(t), "deep/ledger");
  const first = await Store.open(directory, host);
  t.same(first.state.head, { seq: 0, hash: zeroHash });
  await append(first, 1, 41);
  await append(first, 1500);
  await first.close();
  const again = await Store.open(directory, host);
  t.same(again.state, first.state);
  t.same(again.state.writers.get("watchd"), [{ epoch: "e1", n: 41 }]);
  const verifier = new ChainVerifier(host);
  for (const bytes of await readAll(again)) verifier.push(bytes);
  t.equal(verifier.bad, null);
  t.same(verifier.last, again.state.head);
  await again.close();
});

t.test("reading is in pieces, within bounds, and ends at the head", async (t) => {
  const store = await Store.open(await temporaryDirectory(t), host);
  await append(store, 700);
  const sizes: number[] = [];
  for (let after = 0; after < 700; after += sizes.at(-1) ?? 1)
    sizes.push((await store.read(after, 1000)).length);
  t.equal(
    sizes.reduce((a, b) => a + b),
    700,
  );
  t.ok(Math.max(...sizes) <= 512);
  t.equal((await store.read(3, 2)).length, 2);
  t.match(JSON.parse(String((await store.read(3, 2))[0])), { seq: 4 });
  t.same(await store.read(700, 10), []);
  t.same(await store.read(9999, 10), []);
  await store.close();
});

t.test("a second process, or the same one again, cannot open it", async (t) => {
  const directory = await temporaryDirectory(t);
  const store = await Store.open(directory, host);
  await append(store, 3);
  t.equal((await errorOf(Store.open(directory, host))).code, "LEDGER_E_LOCKED");
  t.notOk((await readdir(directory)).includes("before-open"));
  await append(store, 3);
  await store.close();
  const again = await Store.open(directory, host);
  t.equal(again.state.head.seq, 6);
  await again.close();
});

t.test("a file where a directory is expected cannot be written", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, "file"), "");
  for (const path of [join(directory, "file"), join(directory, "file/ledger")]) {
    const error = await errorOf(Store.open(path, host));
    t.equal(error.code, "LEDGER_E_READ_ONLY", path);
    t.ok(error.message.includes(path), error.message);
  }
});

// Permission bits do not stop root.
if (process.getuid?.() !== 0) {
  t.test("a directory or head file that may not be written is refused, and nothing is changed", async (t) => {
    const { directory } = await closedLedger(t);
    const { level, head } = storePaths(directory);
    const modes = { [level]: 0o700, [directory]: 0o700, [head]: 0o600 };
    for (const [path, mode] of Object.entries(modes)) {
      await chmod(path, mode & 0o500);
      const before = await contentOf(directory);
      t.equal((await errorOf(Store.open(directory, host))).code, "LEDGER_E_READ_ONLY", path);
      t.same(await contentOf(directory), before);
      t.notOk((await readdir(directory)).includes("before-open"));
      await chmod(path, mode);
    }
    const store = await Store.open(directory, host);
    await store.close();
  });
}

t.test("a ledger of another host, or of another format, is refused", async (t) => {
  const { directory } = await closedLedger(t);
  t.equal((await errorOf(Store.open(directory, "etl-02"))).code, "LEDGER_E_OTHER_HOST");
  await tamper(directory, (db) => db.put(storeKeys.meta, '{"format":2,"host":"etl-01"}'));
  t.equal((await errorOf(Store.open(directory, host))).code, "LEDGER_E_FORMAT");
});

t.test("whatever does not agree is damage, is named, and stays as it is", async (t) => {
  const key = storeKeys.entry;
  const attacks: readonly (readonly [string, RegExp, (db: Level<string, string>) => Promise<unknown>])[] = [
    [
      "an entry changed",
      /entry 12 is bad/,
      async (db) => db.put(key(12), String(await db.get(key(12))).replace("xx", "xy")),
    ],
    [
      "an entry replaced by another",
      /another entry is stored as 12|seq/,
      async (db) => db.put(key(12), String(await db.get(key(11)))),
    ],
    ["an entry deleted", /entry 12 is missing/, (db) => db.del(key(12))],
    ["the first entry deleted", /entry 1 is missing/, (db) => db.del(key(1))],
    ["the tail cut", /its last entry is 29/, (db) => db.del(key(30))],
    [
      "the tail and the head cut",
      /its head file knows 30/,
      async (db) => {
        const { hash } = JSON.parse(String(await db.get(key(29))));
        await db.batch([
          { type: "del", key: key(30) },
          { type: "put", key: storeKeys.head, value: JSON.stringify({ hash, seq: 29 }) },
        ]);
      },
    ],
    ["everything deleted", /it is empty, but its head file knows 30/, (db) => db.clear()],
    ["an entry added", /entry 31 is bad/, (db) => db.put(key(31), "{}")],
    ["the head deleted", /its head is not readable/, (db) => db.del(storeKeys.head)],
    ["the head garbled", /its head is not readable/, (db) => db.put(storeKeys.head, "[")],
    [
      "the head moved",
      /its head says 29/,
      (db) => db.put(storeKeys.head, JSON.stringify({ hash: zeroHash, seq: 29 })),
    ],
    ["the format deleted", /its meta is not readable/, (db) => db.del(storeKeys.meta)],
    [
      "a writer's key garbled",
      /writer!watchd is not readable/,
      (db) => db.put(storeKeys.writer("watchd"), '{"epoch":1}'),
    ],
  ];
  for (const [name, message, attack] of attacks) {
    const { directory } = await closedLedger(t);
    await tamper(directory, attack);
    const error = await errorOf(Store.open(directory, host));
    t.match(error, { code: "LEDGER_E_DAMAGED", message }, name);
    t.equal(error.exit, 6);
    t.equal(
      (await errorOf(Store.open(directory, host))).message,
      error.message,
      `${name}: the next start says the same`,
    );
  }
});

t.test("a head file that is missing, unreadable or of another chain is damage", async (t) => {
  const { directory } = await closedLedger(t);
  const path = storePaths(directory).head;
  const good = await readFile(path, "latin1");
  for (const text of [
    "",
    "x",
    good.replace(/"seq":30/, '"seq":31'),
    good.replace(/"hash":"../, '"hash":"zz'),
    good.replace(/"hash":"\w{4}/, '"hash":"0000'),
  ]) {
    await writeFile(path, text);
    t.equal((await errorOf(Store.open(directory, host))).code, "LEDGER_E_DAMAGED", text);
  }
  await rm(path);
  t.equal((await errorOf(Store.open(directory, host))).code, "LEDGER_E_DAMAGED", "missing");
  await writeFile(path, good);
  await (await Store.open(directory, host)).close();
});

t.test(
  "a head file that is behind, as after a power cut, is no damage and is brought up to date",
  async (t) => {
    const { directory, head } = await closedLedger(t);
    const path = storePaths(directory).head;
    const [line] = await tail(directory, 17);
    await writeFile(path, `${JSON.stringify({ hash: line?.hash, seq: 17 }).padEnd(127)}\n`);
    await (await Store.open(directory, host)).close();
    t.same(JSON.parse(await readFile(path, "latin1")), head);
  },
);

async function tail(directory: string, seq: number): Promise<readonly { hash: string }[]> {
  const store = await Store.open(directory, host);
  const lines = await store.read(seq - 1, 1);
  await store.close();
  return lines.map((bytes) => JSON.parse(String(bytes)));
}

t.test(
  "a bit flipped in LevelDB's log, which LevelDB would skip without a word, is damage, and the log is kept",
  async (t) => {
    const { directory } = await closedLedger(t);
    const paths = storePaths(directory);
    const name = (await readdir(paths.level)).find((file) => file.endsWith(".log")) ?? "";
    const bytes = await readFile(join(paths.level, name));
    const at = Math.floor(bytes.length / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(join(paths.level, name), bytes);
    t.equal((await errorOf(Store.open(directory, "etl-02"))).code, "LEDGER_E_OTHER_HOST");
    for (let start = 1; start <= 2; start++) {
      t.equal((await errorOf(Store.open(directory, host))).code, "LEDGER_E_DAMAGED");
      t.same(
        await readFile(join(paths.keptLogs, name)),
        bytes,
        `start ${start} has not destroyed the evidence`,
      );
    }
  },
);

t.test("LevelDB files that are gone or garbled are damage, never a reason to start anew", async (t) => {
  const { directory } = await closedLedger(t);
  const level = storePaths(directory).level;
  const saved = `${directory}.saved`;
  await cp(directory, saved, { recursive: true });
  const harm: Record<string, (name: string) => Promise<void>> = {
    "CURRENT gone": () => rm(join(level, "CURRENT")),
    "CURRENT garbled": () => writeFile(join(level, "CURRENT"), "nonsense"),
    "manifest gone": async () => rm(join(level, (await find(level, /^MANIFEST/)) ?? "")),
    "manifest garbled": async () =>
      writeFile(join(level, (await find(level, /^MANIFEST/)) ?? ""), "nonsense"),
    "log gone": async () => rm(join(level, (await find(level, /\.log$/)) ?? "")),
    "log emptied": async () => writeFile(join(level, (await find(level, /\.log$/)) ?? ""), ""),
    "everything gone": () => rm(level, { recursive: true }),
    "everything gone but an empty directory": async () => {
      await rm(level, { recursive: true });
      await mkdir(level);
    },
  };
  for (const [name, act] of Object.entries(harm)) {
    await rm(directory, { recursive: true });
    await cp(saved, directory, { recursive: true });
    await act(name);
    t.equal((await errorOf(Store.open(directory, host))).code, "LEDGER_E_DAMAGED", name);
  }
});

async function find(directory: string, pattern: RegExp): Promise<string | undefined> {
  return (await readdir(directory)).find((name) => pattern.test(name));
}

t.test("a torn record at the end of the log, as a kill in mid-write leaves, costs nothing", async (t) => {
  const { directory, head } = await closedLedger(t);
  const level = storePaths(directory).level;
  await appendFile(
    join(level, (await find(level, /\.log$/)) ?? ""),
    Buffer.from([1, 2, 3, 4, 200, 3, 1, 9, 9]),
  );
  const store = await Store.open(directory, host);
  t.same(store.state.head, head);
  await append(store, 5);
  await store.close();
  const again = await Store.open(directory, host);
  t.equal(again.state.head.seq, 35);
  await again.close();
  t.same(await find(directory, /before-open/), undefined, "a good start leaves nothing behind");
});

t.test("a first start that was cut short is carried on", async (t) => {
  const directory = await temporaryDirectory(t);
  const paths = storePaths(directory);
  await mkdir(paths.level);
  await writeFile(join(paths.level, "MANIFEST-000001"), "");
  await (await Store.open(directory, host)).close();
  await rm(paths.head);
  const store = await Store.open(directory, host);
  t.equal(store.state.head.seq, 0);
  await append(store, 1);
  await store.close();
});

t.test(
  "an entry that is missing further back than a start looks is an error for whoever reads it",
  async (t) => {
    const { directory } = await closedLedger(t, 110);
    await tamper(directory, (db) => db.del(storeKeys.entry(5)));
    const store = await Store.open(directory, host);
    for (const after of [0, 4])
      t.equal((await errorOf(store.read(after, 100))).code, "LEDGER_E_DAMAGED", String(after));
    t.equal((await store.read(5, 100)).length, 100);
    await store.close();
    t.equal((await errorOf(store.read(5, 100))).code, "LEDGER_E_UNUSABLE", "a closed store does not read");
  },
);
