import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { isLocked, lockedInodes } from "./lock.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";
import { temporaryDirectory } from "./test-support.ts";

t.test("the inodes in /proc/locks are read, with their devices as stat gives them", async (t) => {
  const table = `1: POSIX  ADVISORY  WRITE 669 fe:00:1310727 0 EOF
2: FLOCK  ADVISORY  READ  -1 08:101:42 0 EOF
2: -> POSIX  ADVISORY  WRITE 700 fe:00:1310727 0 EOF
3: OFDLCK ADVISORY  WRITE -1 00:1a:7 100 200
nonsense
`;
  t.same(lockedInodes(table), [
    { device: 0xfe00, inode: 1310727 },
    { device: 0x100801, inode: 42 },
    { device: 0x1a, inode: 7 },
  ]);
  t.same(lockedInodes(""), []);
});

t.test("an open store is locked, a closed one and a file that is not there are not", async (t) => {
  const directory = await temporaryDirectory(t);
  const lock = join(storePaths(directory).level, "LOCK");
  t.equal(await isLocked(lock), false);
  const store = await Store.open(directory, "etl-01");
  t.equal(await isLocked(lock), true);
  await writeFile(join(directory, "other"), "");
  t.equal(await isLocked(join(directory, "other")), false);
  t.ok((await stat(lock)).isFile());
  await store.close();
  t.equal(await isLocked(lock), false);
});
