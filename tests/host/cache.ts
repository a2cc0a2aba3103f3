/**
 * Things that take long to make, kept outside the repository under the hash of what they are made from. Making one is
 * safe against a second process that wants the same, and against dying in the middle.
 */
import { spawn } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

/** Safe to delete whenever no test host runs. */
export const cacheDirectory = join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"),
  "daruma",
  "test-host",
);

const keptUnusedMs = 14 * 24 * 60 * 60 * 1000;

/**
 * The path of `name` in the cache. If it is not there, `make` is called with a temporary path to fill, and only what it
 * finishes is kept. Of several processes that ask at once, one makes it and the others wait.
 */
export async function cached(name: string, make: (temporary: string) => Promise<void>): Promise<string> {
  await mkdir(cacheDirectory, { recursive: true, mode: 0o700 });
  const path = join(cacheDirectory, name);
  const lockFile = `${path}.lock`;
  if (!existsSync(path)) {
    const release = await lock(lockFile);
    try {
      if (!existsSync(path)) await makeWhole(path, make);
    } finally {
      await release();
    }
    await prune();
  }
  // The lock file says when the entry was last used; the entry itself must not change while a host stands on it. There is
  // none if somebody has put the entry there, such as a CI that keeps caches.
  const now = new Date();
  await (await open(lockFile, "a")).close();
  await utimes(lockFile, now, now);
  return path;
}

export function isCached(name: string): boolean {
  return existsSync(join(cacheDirectory, name));
}

async function makeWhole(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.making`;
  await rm(temporary, { recursive: true, force: true });
  try {
    await make(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Waits for the lock; the kernel gives it back when either process dies. */
async function lock(file: string): Promise<() => Promise<void>> {
  const holder = spawn("flock", [file, "sh", "-c", "echo locked; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve, reject) => {
    holder.on("close", () => resolve());
    holder.on("error", reject);
  });
  const locked = new Promise<void>((resolve) => holder.stdout.once("data", () => resolve()));
  await Promise.race([
    locked,
    ended.then(() => Promise.reject(new Error(`flock ended without the lock on ${file}`))),
  ]);
  return async () => {
    holder.stdin.end();
    await ended;
  };
}

/** Takes away what nobody has used for two weeks: images of old recipes, packages of old builds. */
async function prune(): Promise<void> {
  const names = (await readdir(cacheDirectory)).filter((name) => name.endsWith(".lock"));
  for (const name of names) {
    const lockFile = join(cacheDirectory, name);
    const used = await stat(lockFile).catch(() => null);
    if (used === null || Date.now() - used.mtimeMs < keptUnusedMs) continue;
    await rm(lockFile.slice(0, -".lock".length), { recursive: true, force: true });
    await rm(lockFile, { force: true });
  }
}

/** A hash of names and files' contents, in that order. */
export async function hashOf(parts: readonly (string | { readonly file: string })[]): Promise<string> {
  const hash = createHash("sha256");
  for (const part of parts) {
    if (typeof part === "string") hash.update(`${part}\0`);
    else await addFile(hash, part.file);
  }
  return hash.digest("hex").slice(0, 32);
}

async function addFile(hash: Hash, file: string): Promise<void> {
  const { size } = await stat(file);
  hash.update(`${size}\0`);
  await pipeline(
    createReadStream(file, { highWaterMark: 1 << 20 }),
    async function digest(chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) hash.update(chunk);
    },
  );
}
