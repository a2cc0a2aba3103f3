/**
 * The image of the test host: the root file system of image/recipe.sh, made once, kept as an archive and unpacked beside
 * it. Run as a program it makes what is missing and says where it is, so that no test has to wait for it:
 * `node tests/host/image.ts`.
 */
import { spawn } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";
import { cacheDirectory, cached, hashOf, isCached } from "./cache.ts";

const recipe = join(import.meta.dirname, "image");

/** The unpacked root file system. Read only: hosts stand on it. */
export async function image(): Promise<string> {
  const hash = await recipeHash();
  return cached(hash, async (temporary) => {
    const archive = await cached(`${hash}.tar.zst`, build);
    await mkdir(temporary);
    await unpack(archive, temporary);
  });
}

/** Whether `image` would not have to make it. */
export async function imageIsCached(): Promise<boolean> {
  return isCached(await recipeHash());
}

async function recipeHash(): Promise<string> {
  const names = (await readdir(recipe)).sort();
  return hashOf([process.arch, ...names.flatMap((name) => [name, { file: join(recipe, name) }])]);
}

async function build(temporary: string): Promise<void> {
  const log = join(cacheDirectory, "image.log");
  process.stderr.write(`test host: making the image, once, in about a minute (log: ${log})\n`);
  const builder = spawn("unshare", ["-m", join(recipe, "build.sh")], { stdio: ["ignore", "pipe", "pipe"] });
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } });
  const [exitCode] = await Promise.all([
    exitOf(builder),
    pipeline(builder.stdout, compress, createWriteStream(temporary)),
    pipeline(builder.stderr, createWriteStream(log)),
  ]);
  if (exitCode === 0) return;
  const tail = (await readFile(log, "utf8")).split("\n").slice(-20).join("\n");
  throw new Error(`the image of the test host could not be made; ${log} ends with\n${tail}`);
}

async function unpack(archive: string, directory: string): Promise<void> {
  const tar = spawn(
    "tar",
    [`--directory=${directory}`, "--numeric-owner", "--xattrs", "--preserve-permissions", "--extract"],
    { stdio: ["pipe", "ignore", "inherit"] },
  );
  const [exitCode] = await Promise.all([
    exitOf(tar),
    pipeline(createReadStream(archive), createZstdDecompress(), tar.stdin),
  ]);
  if (exitCode !== 0) throw new Error(`${archive} could not be unpacked; delete it and try again`);
}

function exitOf(child: ReturnType<typeof spawn>): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
}

if (import.meta.main) process.stdout.write(`${await image()}\n`);
