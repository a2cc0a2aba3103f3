import { constants } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DarumaError, isDarumaError, messageOf, systemCode } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { hashOf, parseHead, verifyStored } from "./check.ts";
import { emptyHead, type Head } from "./entry.ts";
import { EvidenceVerifier } from "./evidence.ts";
import { readHeadFile } from "./head-file.ts";
import { hasLevel, type LedgerDb, openError, openLevel, storeKeys } from "./level.ts";
import { isLocked } from "./lock.ts";
import { leafHash, type TreeHash } from "./merkle.ts";
import { PayloadCheck } from "./payload-check.ts";
import { prunedByEntry } from "./prune.ts";
import { checkPruned, passPruned, prunedLeaves, readPruned } from "./pruned.ts";
import { storePaths } from "./store-parts.ts";
import { TreeCheck } from "./tree-check.ts";
import { noTrust, type Trust } from "./trust.ts";
import type { Verification } from "./verification.ts";
import type { BadEntry } from "./verify.ts";

/**
 * Verifies every entry in a directory of ledgerd, and both records of the head. The directory is evidence: it is read,
 * never opened; LevelDB, which writes when it opens, gets a copy in a temporary directory (so this needs as much room
 * as the ledger has).
 *
 * @throws LEDGER_E_NOT_FOUND; LEDGER_E_LOCKED if a living ledgerd has it open; LEDGER_E_DAMAGED if LevelDB cannot read
 *   it at all; LEDGER_E_UNUSABLE if it cannot be copied.
 */
export async function verifyDirectory(directory: string, trust: Trust = noTrust): Promise<Verification> {
  const source = resolve(directory);
  const copy = await mkdtemp(join(tmpdir(), "daruma-verify-"));
  // What happened to the copy is told of the directory that the reader knows.
  const tell: Tell = (message) => message.replaceAll(copy, source);
  try {
    await copyLedger(source, copy);
    return await verifyCopy(copy, source, trust, tell);
  } catch (error) {
    const { code, message, hint, exit } = isDarumaError(error) ? error : unusable(source, error);
    const entry = { summary: message, remedy: hint, exit };
    throw new DarumaError(code, entry, tell(message), { where: source, cause: error });
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function copyLedger(source: string, copy: string): Promise<void> {
  const from = storePaths(source);
  const to = storePaths(copy);
  const before = await listing(from.level);
  if (before === null) throw notFound(source);
  if (await isLocked(join(from.level, "LOCK"))) throw locked(source, "a living ledgerd has it open");
  await mkdir(to.level);
  for (const name of before.keys()) {
    await copyFile(join(from.level, name), join(to.level, name), constants.COPYFILE_FICLONE);
  }
  await copyFile(from.head, to.head).catch((error: unknown) => {
    if (systemCode(error) !== "ENOENT") throw error;
  });
  // Where locks cannot be seen (another container, no /proc), a ledger at work shows by its files.
  const after = await listing(from.level);
  if (!isSame(before, after)) throw locked(source, "it changed while it was read");
}

type Listing = ReadonlyMap<string, string>;

/** LevelDB's own files, with what changes when they do. Links and strange files are not followed. */
async function listing(directory: string): Promise<Listing | null> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return null;
    throw error;
  });
  if (entries === null) return null;
  const files = new Map<string, string>();
  for (const entry of entries) {
    if (!entry.isFile() || !/^(CURRENT|MANIFEST-\d+|\d+\.(log|ldb|sst))$/.test(entry.name)) continue;
    const { size, mtimeMs, ino } = await stat(join(directory, entry.name));
    files.set(entry.name, `${ino} ${size} ${mtimeMs}`);
  }
  return files;
}

function isSame(before: Listing, after: Listing | null): boolean {
  if (before.size !== after?.size) return false;
  return [...before].every(([name, state]) => after.get(name) === state);
}

type Tell = (message: string) => string;

async function verifyCopy(copy: string, source: string, trust: Trust, tell: Tell): Promise<Verification> {
  const paths = storePaths(copy);
  const headOnFile = await readHeadFile(paths.head);
  if (!(await hasLevel(paths.level))) {
    if (headOnFile === null) throw notFound(source);
    const verifier = new EvidenceVerifier(trust);
    if (headOnFile.seq > 0) {
      verifier.fail("wrong-head", `the entries are gone, but the head file knows ${headOnFile.seq}`, 1);
    }
    return verifier.finish();
  }
  const db = await openLevel(paths.level, false);
  try {
    return await verifyDb(db, headOnFile, trust, tell);
  } finally {
    await db.close();
  }
}

async function verifyDb(
  db: LedgerDb,
  headOnFile: Head | null,
  trust: Trust,
  tell: Tell,
): Promise<Verification> {
  const verifier = new EvidenceVerifier(trust);
  let pruned = emptyHead;
  let payloads: PayloadCheck | null = null;
  const finish = () => ({ ...verifier.finish(), pruned: pruned.seq, ...payloads?.count });
  try {
    pruned = await readPruned(db);
    payloads = await PayloadCheck.begin(db, pruned);
    if ((await verifyEntries(db, verifier, pruned, payloads)) !== null) return finish();
    const head = parseHead(db, await db.get(storeKeys.head));
    const wrong = await wrongHead(db, verifier.last ?? emptyHead, head, headOnFile);
    if (wrong !== null) verifier.fail("wrong-head", wrong, 1);
  } catch (error) {
    const told = isDarumaError(error) ? error : openError(db.location, error);
    verifier.fail("unreadable", `it cannot be read: ${tell(told.message)}`, 1);
  } finally {
    await payloads?.close();
  }
  return finish();
}

/**
 * Verifies the entries, the tree that is stored of them and of what was pruned before them, each checkpoint where it belongs, the
 * payloads beside the entries, and that the ledger says of what was pruned or erased that it was.
 */
async function verifyEntries(
  db: LedgerDb,
  verifier: EvidenceVerifier,
  pruned: Head,
  payloads: PayloadCheck,
): Promise<BadEntry | null> {
  const checkpoints = db.iterator(storeKeys.checkpoints);
  try {
    const tree = await TreeCheck.whole(db);
    let next = await checkpoints.next();
    let said = 0;
    const grow = async (leaf: TreeHash) => {
      await tree.add(leaf);
      for (; next?.[0] === storeKeys.checkpoint(tree.size); next = await checkpoints.next()) {
        verifier.proof({ kind: "checkpoint", text: next[1] });
      }
    };
    for await (const leaf of prunedLeaves(db, pruned)) {
      passPruned(verifier, tree.size + 1, leaf);
      await grow(leaf);
    }
    const bad = await verifyStored(db, pruned.seq + 1, verifier, async (bytes) => {
      said = Math.max(said, prunedByEntry(bytes));
      const fault = await payloads.take(tree.size + 1, bytes);
      if (fault !== null) verifier.failAt(tree.size + 1, "wrong-payload", fault);
      await grow(leafHash(bytes));
    });
    if (bad !== null || verifier.bad !== null) return verifier.bad;
    await tree.compare();
    await checkPruned(db, pruned, verifier.last ?? pruned);
    if (said < pruned.seq) {
      const message = `entries up to ${pruned.seq} are gone, and no entry says that they were pruned`;
      return verifier.fail("left-out", message, 1);
    }
    const fault = payloads.finish();
    if (fault !== null) return verifier.failAt(fault.seq, "wrong-payload", fault.message);
    if (next === undefined) return null;
    return verifier.fail("cut", `the ledger ends here, but ${next[0]} was signed`, 1);
  } catch (error) {
    // Only the tree is read by other keys than the entries.
    if (!isDarumaError(error) || error.code !== "LEDGER_E_DAMAGED") throw error;
    return verifier.fail("wrong-tree", error.message, 1);
  } finally {
    await checkpoints.close();
  }
}

/** What the two records of the head say against the last entry. The head file may be behind, never ahead. */
async function wrongHead(
  db: LedgerDb,
  last: Head,
  head: Head,
  headOnFile: Head | null,
): Promise<string | null> {
  if (head.seq !== last.seq || head.hash !== last.hash) {
    return `the last entry is ${last.seq}, the stored head is ${head.seq} (${head.hash})`;
  }
  if (headOnFile === null) return last.seq === 0 ? null : "the head file is missing";
  if (headOnFile.seq > last.seq)
    return `the last entry is ${last.seq}, the head file knows ${headOnFile.seq}`;
  if (headOnFile.seq === 0 || (await hashOf(db, headOnFile.seq)) === headOnFile.hash) return null;
  return `entry ${headOnFile.seq} is not the one that the head file knows (${headOnFile.hash})`;
}

function unusable(directory: string, cause: unknown) {
  const message = `the ledger in ${directory} cannot be copied to be verified: ${messageOf(cause)}`;
  return ledgerErrors.make("LEDGER_E_UNUSABLE", message, { where: directory, cause });
}

function notFound(directory: string) {
  const message = `there is no ledger in ${directory}`;
  return ledgerErrors.make("LEDGER_E_NOT_FOUND", message, { where: directory });
}

function locked(directory: string, why: string) {
  return ledgerErrors.make("LEDGER_E_LOCKED", `the ledger in ${directory} cannot be verified now: ${why}`, {
    where: directory,
    hint: "Export it (`agentctl ledger export`) and verify the export, or stop ledgerd first.",
  });
}
