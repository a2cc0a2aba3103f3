import { randomBytes } from "node:crypto";
import { constants, type FileHandle, mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { fileVersion, magic } from "./frame.ts";
import type { JournalFile } from "./writer.ts";

const partBytes = 64 * 1024;
const zeros = Buffer.alloc(partBytes);
/** As many as IOV_MAX of every Linux allows at once (writev(2)); each write waits for the disk. */
const partsPerWrite = 1024;

export interface OpenFile {
  readonly file: JournalFile;
  read(): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * Opens both files and fills them up with zeros to `capacityBytes`, so that no later write needs a block from the file
 * system: a disk that is full afterwards stops nothing.
 *
 * @throws WATCHD_E_JOURNAL_VERSION, and whatever the file system says.
 */
export async function openFiles(dir: string, capacityBytes: number): Promise<readonly [OpenFile, OpenFile]> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const first = await openFile(join(dir, "journal-0"), capacityBytes);
  try {
    const second = await openFile(join(dir, "journal-1"), capacityBytes);
    await syncDirectory(dir);
    return [first, second];
  } catch (error) {
    await first.close();
    throw error;
  }
}

/** Copies of both files as they are, for whoever wants to find out what happened. Returns their paths. */
export async function setAside(files: readonly OpenFile[]): Promise<string[]> {
  const suffix = `damaged-${randomBytes(4).toString("hex")}`;
  const copies: string[] = [];
  for (const { file, read } of files) {
    const copy = `${file.path}.${suffix}`;
    await writeFile(copy, await read(), { flag: "wx", mode: 0o600, flush: true });
    copies.push(copy);
  }
  return copies;
}

async function openFile(path: string, capacityBytes: number): Promise<OpenFile> {
  const { O_RDWR, O_CREAT, O_DSYNC } = constants;
  // O_DSYNC: a write is on disk when it returns (open(2)). One call, where write and fdatasync would be two.
  const handle = await open(path, O_RDWR | O_CREAT | O_DSYNC, 0o600);
  try {
    const file = new SyncedFile(path, handle, (await handle.stat()).size);
    const version = fileVersion(await file.read(Math.min(magic.length, file.size)));
    if (version === "other") throw otherRelease(path);
    await file.grow(capacityBytes);
    if (version === "none") await file.write(magic, 0);
    return { file, read: () => file.read(file.size), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

class SyncedFile implements JournalFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size: number;

  constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  async write(data: Uint8Array, offset: number): Promise<void> {
    let done = 0;
    while (done < data.length) {
      done += (await this.#handle.write(data, done, data.length - done, offset + done)).bytesWritten;
    }
  }

  async grow(size: number): Promise<void> {
    while (this.#size < size) {
      const parts = Math.min(partsPerWrite, Math.ceil((size - this.#size) / zeros.length));
      const blank = Array.from({ length: parts }, (_, index) =>
        zeros.subarray(0, Math.min(zeros.length, size - this.#size - index * zeros.length)),
      );
      this.#size += (await this.#handle.writev(blank, this.#size)).bytesWritten;
    }
  }

  /** What was never written to takes no memory of its own: most of a journal, for as long as its reader keeps it. */
  async read(bytes: number): Promise<Buffer> {
    // Memory that the kernel gives only once it is written to.
    const content = Buffer.alloc(bytes);
    const part = Buffer.allocUnsafeSlow(Math.min(bytes, partBytes));
    let done = 0;
    while (done < content.length) {
      const wanted = Math.min(part.length, content.length - done);
      const { bytesRead } = await this.#handle.read(part, 0, wanted, done);
      if (bytesRead === 0) throw new Error(`${this.path} became shorter while it was read`);
      const got = part.subarray(0, bytesRead);
      if (!got.equals(zeros.subarray(0, bytesRead))) content.set(got, done);
      done += bytesRead;
    }
    return content;
  }
}

function otherRelease(path: string): Error {
  return watchdErrors.make(
    "WATCHD_E_JOURNAL_VERSION",
    `${path} has a format that this release does not know`,
    {
      where: path,
    },
  );
}
