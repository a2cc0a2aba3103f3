import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { lstat, open, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { canonicalize, type JsonValue } from "@daruma/base";
import { mapLimit } from "../concurrency.ts";

/**
 * What of a file is part of its identity, as in a Nix archive: kind, the owner's executable bit, content or target.
 * Times, owners and other mode bits are not.
 */
export type TreeEntry =
  | { readonly path: string; readonly type: "directory" }
  | { readonly path: string; readonly type: "file"; readonly executable: boolean; readonly sha256: string }
  | { readonly path: string; readonly type: "symlink"; readonly target: string };

/** Something in a tree that cannot be part of a generation. */
export class TreeProblem extends Error {
  override readonly name = "TreeProblem";
  /** Relative to the tree. */
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** As many as libuv has threads for. */
const filesAtOnce = 4;
const readBytes = 256 * 1024;

/**
 * Everything below `root`, ordered by path, so that a directory comes before what is in it.
 *
 * @param leaveOut names that are not looked at, at any depth.
 * @throws TreeProblem for special files and for names that are not UTF-8; whatever the file system says.
 */
export async function listTree(
  root: string,
  leaveOut: ReadonlySet<string> = new Set(),
): Promise<TreeEntry[]> {
  const found: Found[] = [];
  await findBelow(root, "", leaveOut, found);
  found.sort((a, b) => (a.path < b.path ? -1 : 1));
  return mapLimit(found, filesAtOnce, (each) => describe(root, each));
}

/** 160 bits of the SHA-256 of the listing, in 32 characters of Nix's base-32 alphabet. */
export function treeHash(entries: readonly TreeEntry[]): string {
  const listing: JsonValue = entries.map((entry) => ({ ...entry }));
  const digest = createHash("sha256").update(canonicalize(listing)).digest();
  const alphabet = "0123456789abcdfghijklmnpqrsvwxyz";
  let bits = BigInt(`0x${digest.subarray(0, 20).toString("hex")}`);
  let text = "";
  for (let index = 0; index < 32; index += 1) {
    text = `${alphabet[Number(bits & 31n)]}${text}`;
    bits >>= 5n;
  }
  return text;
}

/** The first path at which two listings differ, or `null`. */
export function firstDifference(a: readonly TreeEntry[], b: readonly TreeEntry[]): string | null {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const [left, right] = [a[index], b[index]];
    const differ = canonicalize({ ...left }) !== canonicalize({ ...right });
    // Where one listing lacks a path, the other has the smaller one at this index.
    if (differ) return [left, right].flatMap((entry) => entry?.path ?? []).sort()[0] ?? null;
  }
  return null;
}

interface Found {
  readonly path: string;
  readonly stats: Stats;
}

async function findBelow(
  root: string,
  relative: string,
  leaveOut: ReadonlySet<string>,
  found: Found[],
): Promise<void> {
  const names = (await readdir(join(root, relative), { encoding: "buffer" }))
    .map((raw) => decodeName(relative, raw))
    .filter((name) => !leaveOut.has(name));
  const here = await mapLimit(names, filesAtOnce, async (name) => {
    const path = relative === "" ? name : `${relative}/${name}`;
    return { path, stats: await lstat(join(root, path)) };
  });
  for (const each of here) {
    found.push(each);
    if (each.stats.isDirectory()) await findBelow(root, each.path, leaveOut, found);
  }
}

function decodeName(directory: string, raw: Buffer): string {
  const name = raw.toString("utf8");
  // A name that is not UTF-8 would be copied under another name.
  if (!Buffer.from(name).equals(raw))
    throw new TreeProblem(directory, `has a file whose name is not UTF-8: ${name}`);
  return name;
}

async function describe(root: string, { path, stats }: Found): Promise<TreeEntry> {
  const absolute = join(root, path);
  if (stats.isDirectory()) return { path, type: "directory" };
  if (stats.isSymbolicLink()) return { path, type: "symlink", target: await readlink(absolute) };
  if (stats.isFile()) {
    const executable = (stats.mode & 0o100) !== 0;
    return { path, type: "file", executable, sha256: await hashFile(absolute, stats.size) };
  }
  throw new TreeProblem(path, "is not a file, a directory or a symbolic link");
}

async function hashFile(path: string, expectedBytes: number): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(Math.min(expectedBytes + 1, readBytes));
  const handle = await open(path, "r");
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
