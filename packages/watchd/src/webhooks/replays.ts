import { createHash } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { systemCode, writeFileAtomic } from "@daruma/base";

/**
 * How long a delivery is known again. Longer than twice the tolerance of any signature's time, and than the day for which
 * senders try again. In ms.
 */
export const rememberMs = 7 * 86_400_000;

/** The file is written anew, without what is forgotten by then, when it has grown by as much as it held and this many lines. */
const leastGrowth = 10_000;

/**
 * Which deliveries have been taken: a file of one line each, so that a restart changes nothing. A line is synced before the
 * sender is told anything; one that a crash has cut short was never acknowledged.
 */
export class Replays {
  readonly #path: string;
  readonly #until: Map<string, number>;
  readonly #underWay = new Map<string, Promise<unknown>>();
  #file: FileHandle;
  #lines: number;
  #mostLines: number;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, until: Map<string, number>) {
    this.#path = path;
    this.#file = file;
    this.#until = until;
    this.#lines = until.size;
    this.#mostLines = 2 * until.size + leastGrowth;
  }

  /** @throws Error of the file system */
  static async open(path: string, now: number): Promise<Replays> {
    const until = new Map<string, number>();
    for (const line of (await textOf(path)).split("\n")) {
      const [, key, time] = /^([0-9a-f]{64}) (\d{1,16})$/.exec(line) ?? [];
      if (key !== undefined && Number(time) > now) until.set(key, Number(time));
    }
    await writeFileAtomic(path, print(until));
    return new Replays(path, await open(path, "a"), until);
  }

  /**
   * Has `take` done unless one of the keys was taken before; they are taken once it has resolved. Of several at once with one
   * key, one is done at a time: a later one finds that it was, or takes its place where it failed. Where this process dies
   * between the two, `take` is called once more for the next try of the sender.
   *
   * @returns false if it was taken before, and `take` was not called
   */
  async once(
    route: string,
    keys: readonly string[],
    now: number,
    take: () => Promise<void>,
  ): Promise<boolean> {
    const digests = keys.map((key) =>
      createHash("sha256")
        .update(JSON.stringify([route, key]))
        .digest("hex"),
    );
    for (;;) {
      const other = digests.map((digest) => this.#underWay.get(digest)).find((each) => each !== undefined);
      if (other === undefined) break;
      await other;
    }
    if (digests.some((digest) => (this.#until.get(digest) ?? 0) > now)) return false;
    const work = take().then(() => this.#remember(digests, now + rememberMs, now));
    const settled = work.catch(() => undefined);
    for (const digest of digests) this.#underWay.set(digest, settled);
    try {
      await work;
    } finally {
      for (const digest of digests) this.#underWay.delete(digest);
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#file.close();
  }

  #remember(digests: readonly string[], until: number, now: number): Promise<void> {
    if (digests.length === 0) return Promise.resolve();
    const written = this.#writing.then(() => this.#append(digests, until, now));
    // One that failed does not fail those after it.
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #append(digests: readonly string[], until: number, now: number): Promise<void> {
    // First, and kept if the disk refuses: it has been taken, and is not to be taken again when the sender tries again.
    for (const digest of digests) this.#until.set(digest, until);
    if (this.#lines > this.#mostLines) return this.#rewrite(now);
    await this.#file.appendFile(print(new Map(digests.map((digest) => [digest, until]))));
    await this.#file.datasync();
    this.#lines += digests.length;
  }

  async #rewrite(now: number): Promise<void> {
    for (const [digest, until] of this.#until) if (until <= now) this.#until.delete(digest);
    await writeFileAtomic(this.#path, print(this.#until));
    await this.#file.close();
    this.#file = await open(this.#path, "a");
    this.#lines = this.#until.size;
    this.#mostLines = 2 * this.#lines + leastGrowth;
  }
}

function print(until: ReadonlyMap<string, number>): string {
  return [...until].map(([digest, time]) => `${digest} ${time}\n`).join("");
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  }
}
