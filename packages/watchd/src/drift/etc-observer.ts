import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "@daruma/base";
import type { DeclaredEtc, EtcEntry, EtcFound, ObservedEtc } from "./etc.ts";

/** Files beside NAME that tell how NAME is to be copied (nixpkgs, nixos/modules/system/etc/etc.nix). */
const notes = [".mode", ".uid", ".gid"];
/** No file that NixOS copies into /etc is larger by far. */
const mostHashed = 16 * 1024 * 1024;

/**
 * What a generation declares of /etc.
 *
 * @throws the system error where its tree cannot be read.
 */
export function readDeclaredEtc(system: string): DeclaredEtc {
  const tree = realpathSync(join(system, "etc"));
  const entries: EtcEntry[] = [];
  const files = [...filesBelow(tree)];
  const names = new Set(files.map(({ full }) => full));
  for (const { full, isDirectory } of files) {
    const isNote = notes.some((note) => full.endsWith(note) && names.has(full.slice(0, -note.length)));
    if (isDirectory || isNote) continue;
    entries.push(entryOf(full, full.slice(tree.length + 1), names.has(`${full}.mode`)));
  }
  return { tree, entries };
}

/** A link to a directory is a link: /etc has it as one (Node's own recursion would follow it). */
function* filesBelow(directory: string): Generator<{ readonly full: string; readonly isDirectory: boolean }> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const full = join(directory, entry.name);
    const isDirectory = entry.isDirectory();
    yield { full, isDirectory };
    if (isDirectory) yield* filesBelow(full);
  }
}

function entryOf(full: string, path: string, hasMode: boolean): EtcEntry {
  if (!hasMode) return { path, kind: "link" };
  const mode = readFileSync(`${full}.mode`, "utf8").trim();
  if (mode === "direct-symlink") return { path, kind: "direct", target: readlinkSync(full) };
  return { path, kind: "copy", mode: Number.parseInt(mode, 8), sha256: sha256(readFileSync(full)) };
}

/** Cheap: a few hundred links are read in some milliseconds, so nothing here waits for anything. */
export function observeEtc(etc: string, { entries }: DeclaredEtc): ObservedEtc {
  const found = new Map<string, EtcFound>();
  for (const { path } of entries) {
    const here = findOrNull(join(etc, path));
    if (here !== null) found.set(path, here);
  }
  return { tree: treeAt(join(etc, "static")), found };
}

function treeAt(link: string): EtcFound {
  const found = findAt(link);
  if (found.kind !== "link") return found;
  try {
    return { kind: "link", target: realpathSync(link) };
  } catch {
    return found;
  }
}

/** Null for what cannot be looked at. */
function findOrNull(path: string): EtcFound | null {
  try {
    return findAt(path);
  } catch {
    return null;
  }
}

function findAt(path: string): EtcFound {
  try {
    const stats = lstatSync(path);
    if (stats.isSymbolicLink()) return { kind: "link", target: readlinkSync(path) };
    if (stats.isDirectory()) return { kind: "directory" };
    if (!stats.isFile()) return { kind: "other" };
    const { size } = stats;
    const hash = size > mostHashed ? "too large to be told" : sha256(readFileSync(path));
    return { kind: "file", mode: stats.mode & 0o7777, size, sha256: hash };
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return { kind: "absent" };
    throw error;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
