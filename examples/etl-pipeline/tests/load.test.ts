import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import t from "tap";
import type { City } from "../etl/contract.ts";
import { Store, StoreError, type Transformed } from "../etl/load.ts";
import { dump } from "./support.ts";

const hash = "0".repeat(64);

function row(name: string, change: Partial<City> = {}): Transformed {
  const city: City = {
    name,
    qualifier: null,
    searchName: name.toLowerCase(),
    country: "FR",
    admin1: null,
    admin2: null,
    latitude: 45.74846,
    longitude: 4.84671,
    geohash: "u05kqggen",
    ...change,
  };
  return { record: { name }, outcome: { city } };
}

t.test("a batch stores its rows and its rejects and moves the checkpoint", async (t) => {
  const file = join(t.testdir(), "cities.db");
  const store = new Store(file);
  t.equal(store.checkpoint(), null);
  const first = store.begin(hash, 3);
  t.same(store.checkpoint(), first);
  const rejected: Transformed = { record: { name: "?" }, outcome: { reject: "name-damaged" } };
  const next = store.commit(first, [row("Lyon"), rejected], 41);
  t.same(next, { datasetSha256: hash, total: 3, position: 2, byteOffset: 41, loaded: 1, rejected: 1 });
  store.close();

  const again = new Store(file);
  t.same(again.checkpoint(), next);
  again.close();
  t.match(dump(file), {
    cities: [{ position: 0, name: "Lyon", search_name: "lyon", latitude: 45.74846 }],
    rejects: [{ position: 1, reason: "name-damaged", record: '{"name":"?"}' }],
  });
});

t.test("the second record of one place is rejected as a duplicate, in a later batch too", async (t) => {
  const file = join(t.testdir(), "cities.db");
  const store = new Store(file);
  const first = store.begin(hash, 6);
  const second = store.commit(first, [row("Lyon"), row("lyon", { geohash: "u05kqgzzz" })], 10);
  const third = store.commit(
    second,
    [
      row("LYON"),
      row("Lyon", { admin1: "84" }),
      row("Lyon", { geohash: "u05kqzzzz" }),
      row("Lyon", { country: "CH" }),
    ],
    20,
  );
  store.close();
  t.match(third, { loaded: 4, rejected: 2 });
  t.match(dump(file), {
    rejects: [
      { position: 1, reason: "duplicate" },
      { position: 2, reason: "duplicate" },
    ],
  });
});

t.test("a batch that comes twice is refused, and nothing of it is stored", async (t) => {
  const file = join(t.testdir(), "cities.db");
  const store = new Store(file);
  const first = store.begin(hash, 4);
  store.commit(first, [row("Lyon")], 10);
  const before = dump(file);
  t.throws(() => store.commit(first, [row("Lyon")], 10), StoreError, "the same rows");
  t.throws(() => store.commit({ ...first, position: 3 }, [row("Paris")], 20), StoreError, "from elsewhere");
  t.same(dump(file), before);
  store.close();
});

t.test("an exception in the middle of a batch leaves nothing of it", async (t) => {
  const file = join(t.testdir(), "cities.db");
  const store = new Store(file);
  const first = store.begin(hash, 2);
  const before = dump(file);
  const unusable = row("Paris", { latitude: undefined as unknown as number });
  t.throws(() => store.commit(first, [row("Lyon"), unusable], 10), TypeError);
  t.same(dump(file), before);
  t.match(store.commit(first, [row("Lyon"), row("Paris")], 10), { loaded: 2 }, "the store can still be used");
  store.close();
});

t.test(
  "a locked database, another layout, a file that is no database and a missing directory are refused",
  async (t) => {
    const directory = t.testdir({ "text.db": "this is not a database, whatever its name says".repeat(20) });
    t.throws(() => new Store(join(directory, "none", "cities.db")), StoreError);
    t.throws(() => new Store(join(directory, "text.db")), StoreError);

    const file = join(directory, "cities.db");
    const store = new Store(file);
    const first = store.begin(hash, 1);
    const other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    t.throws(() => store.commit(first, [row("Lyon")], 10), StoreError);
    other.exec("ROLLBACK");
    t.match(store.commit(first, [row("Lyon")], 10), { loaded: 1 });
    store.close();

    other.exec("PRAGMA user_version = 2");
    other.close();
    t.throws(() => new Store(file), StoreError);
  },
);

t.test("every commit is synced, and rows go through the write-ahead log", async (t) => {
  const file = join(t.testdir(), "cities.db");
  const store = new Store(file);
  t.equal(store.pragma("journal_mode"), "wal");
  t.equal(store.pragma("synchronous"), 2, "FULL");
  store.close();
});
