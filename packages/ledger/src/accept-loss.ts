import { constants } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { messageOf, syncDirectory, systemCode, writeFileAtomic } from "@daruma/base";
import { emptyHead } from "./entry.ts";
import { readHeadFile } from "./head-file.ts";
import { hasLevel, type LedgerDb, openLevel } from "./level.ts";
import { appendLoss } from "./loss-entry.ts";
import { startPruned } from "./pruned.ts";
import { copyRemains, examine, type Remains } from "./salvage.ts";
import { keyPaths } from "./signing-key.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";

/**
 * Goes on from a damaged ledger without what does not verify. The damaged files are set aside in `damaged/TIME`, with the
 * logs as they were before LevelDB opened them; the new ledger holds the longest beginning that verifies, and then an entry that says what was
 * lost. A crash at any moment leaves the damaged ledger or the new one, and calling this again goes on.
 *
 * @param why what the ledger refused to open for
 * @throws what opening and writing a store throws
 */
export async function acceptLoss(directory: string, host: string, why: string): Promise<void> {
  const absolute = resolve(directory);
  const work = workPaths(absolute);
  let target = await readPlan(work.plan);
  // An earlier loss, all of whose new ledger was put in place.
  if (target !== null && !(await exists(storePaths(work.store).level))) target = null;
  if (target === null) {
    target = join(absolute, "damaged", new Date().toISOString().replaceAll(":", "-"));
    await rm(work.root, { recursive: true, force: true });
    await prepare(absolute, host, why, target);
    await writeFileAtomic(work.plan, basename(target), 0o600);
  }
  await swap(absolute, target);
}

/** Where the new ledger is put together. `plan` names the directory for the old one, and says that the new one is whole. */
function workPaths(directory: string) {
  const root = join(directory, "salvage");
  return { root, copy: join(root, "copy"), store: join(root, "store"), plan: join(root, "plan") };
}

async function readPlan(file: string): Promise<string | null> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  });
  return text === null ? null : join(file, "../../damaged", text);
}

/** Puts the new ledger together from a copy, since LevelDB writes when it opens. */
async function prepare(directory: string, host: string, why: string, target: string): Promise<void> {
  const work = workPaths(directory);
  const { level, head } = storePaths(directory);
  const headOnFile = await readHeadFile(head).catch(() => null);
  await copyFiles(level, work.copy);
  const db = await openCopy(work.copy);
  const remains = db === null ? unreadable : await examine(db);
  if (db !== null && remains.pruned.seq > 0) await startPruned(db, remains.pruned, storePaths(work.store));
  const store = await Store.open(work.store, host);
  try {
    const keepsKey = remains.signed <= remains.good.seq;
    if (db !== null) await copyRemains(db, store, remains.good, keepsKey);
    if (!keepsKey) await writeFileAtomic(join(work.root, "new-key"), "", 0o600);
    const last = Math.max(remains.known?.seq ?? 0, headOnFile?.seq ?? 0, remains.signed);
    const isLost = last > remains.good.seq;
    await appendLoss(store, {
      lost: isLost ? { from: remains.good.seq + 1, to: last } : null,
      lostHead: isLost ? headOf(remains, headOnFile?.hash ?? null, headOnFile?.seq ?? 0) : null,
      signed: remains.signed,
      why: remains.why ?? why,
      setAside: join("damaged", basename(target)),
      key: keepsKey ? "kept" : "replaced",
      ...(remains.pruned.seq === 0 ? {} : { pruned: remains.pruned.seq }),
    });
  } finally {
    await store.close();
    await db?.close();
  }
}

const unreadable: Remains = {
  good: emptyHead,
  why: "the database cannot be read",
  known: null,
  signed: 1,
  pruned: emptyHead,
};

async function openCopy(directory: string): Promise<LedgerDb | null> {
  try {
    return (await hasLevel(directory)) ? await openLevel(directory, false) : null;
  } catch {
    // Whatever it is, nothing can be read; the files themselves are set aside.
    return null;
  }
}

/** The hash that stands for all that is lost: each entry's hash covers the one before. */
function headOf({ known }: Remains, hashOnFile: string | null, seqOnFile: number): string | null {
  return seqOnFile > (known?.seq ?? 0) ? hashOnFile : (known?.hash ?? null);
}

/** Each step may have been done before. The old head file stays until the new one replaces it: it says what is missing. */
async function swap(directory: string, target: string): Promise<void> {
  const work = workPaths(directory);
  const [old, fresh, aside] = [storePaths(directory), storePaths(work.store), storePaths(target)];
  await mkdir(target, { recursive: true, mode: 0o700 });
  if (await exists(fresh.level)) {
    if (!(await exists(aside.level))) await moveIfThere(old.level, aside.level);
    await copyFile(old.head, aside.head, constants.COPYFILE_EXCL).catch(unlessGoneOr("EEXIST"));
    await moveIfThere(old.keptLogs, aside.keptLogs);
    if (await exists(join(work.root, "new-key"))) {
      await moveIfThere(keyPaths(directory).private, keyPaths(target).private);
      await moveIfThere(keyPaths(directory).public, keyPaths(target).public);
    }
    await moveIfThere(fresh.head, old.head);
    await rename(fresh.level, old.level);
  }
  await syncDirectory(target);
  await syncDirectory(directory);
  await rm(work.root, { recursive: true, force: true });
}

async function moveIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch(unlessGoneOr());
}

function unlessGoneOr(...codes: readonly string[]) {
  return (error: unknown) => {
    if (!["ENOENT", ...codes].includes(systemCode(error) ?? "")) throw error;
  };
}

async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  const entries = await readdir(from, { withFileTypes: true }).catch((error: unknown) => {
    unlessGoneOr()(error);
    return [];
  });
  for (const entry of entries) {
    if (!entry.isFile() || entry.name === "LOCK") continue;
    await copyFile(join(from, entry.name), join(to, entry.name), constants.COPYFILE_FICLONE);
  }
}

async function exists(path: string): Promise<boolean> {
  return await readdir(path).then(
    () => true,
    (error: unknown) => {
      if (systemCode(error) === "ENOENT") return false;
      if (systemCode(error) === "ENOTDIR") return true;
      throw new Error(messageOf(error));
    },
  );
}
