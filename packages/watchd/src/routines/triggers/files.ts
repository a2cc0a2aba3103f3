import { readFile } from "node:fs/promises";
import { messageOf, systemCode, writeFileAtomic } from "@daruma/base";
import { fileEvent } from "../policy.ts";
import { firstChange, isSame, type Look, lookAt } from "./file-look.ts";

export interface FileWatchOptions {
  /** Absolute. */
  readonly paths: readonly string[];
  /** Where it is kept what was there, so that what changes while watchd is down is seen after it. */
  readonly memory: string;
  /** Resolves once what comes of it is durable. */
  readonly onChange: (event: string, cause: string) => Promise<void>;
  readonly log: (message: string) => void;
  /** Time between two looks, in ms. */
  readonly everyMs?: number;
}

interface Seen {
  /** What was there when it was last told. */
  readonly known: Look;
  /** What was there at the last look. */
  readonly last: Look;
}

/** A look takes at most a twentieth of the time. */
const leastRest = 20;

/**
 * Looks at files again and again (inotify says nothing about network file systems, and nothing about the time before). What is
 * new or has changed is told once it has been the same for two looks: whoever writes is given the time to finish. What goes
 * away is no event.
 */
export class FileWatch {
  readonly #options: FileWatchOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #troubled = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void>;
  #closed = false;

  constructor(options: FileWatchOptions) {
    this.#options = options;
    this.#looking = this.#begin();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
  }

  async #begin(): Promise<void> {
    try {
      const kept = await readMemory(this.#options.memory);
      for (const path of this.#options.paths) {
        const known = kept.get(path);
        if (known !== undefined) this.#seen.set(path, { known, last: known });
      }
    } catch (error) {
      this.#options.log(`what files were there before is not known: ${messageOf(error)}`);
    }
    await this.#look();
  }

  async #look(): Promise<void> {
    const since = performance.now();
    let changed = false;
    for (const path of this.#options.paths) {
      try {
        if (await this.#lookAt(path)) changed = true;
        this.#troubled.delete(path);
      } catch (error) {
        if (!this.#troubled.has(path)) this.#options.log(`${path} cannot be looked at: ${messageOf(error)}`);
        this.#troubled.add(path);
      }
    }
    try {
      if (changed) await this.#remember();
    } catch (error) {
      this.#options.log(`what files are there cannot be written down: ${messageOf(error)}`);
    }
    if (this.#closed) return;
    const took = performance.now() - since;
    const rest = Math.max(this.#options.everyMs ?? 1_000, took * leastRest);
    this.#timer = setTimeout(() => {
      this.#looking = this.#look();
    }, rest);
  }

  /** Whether there is something to remember. */
  async #lookAt(path: string): Promise<boolean> {
    const now = await lookAt(path);
    const seen = this.#seen.get(path);
    if (seen === undefined) {
      // What was there before anyone waited for it is nothing new.
      this.#seen.set(path, { known: now, last: now });
      return true;
    }
    if (isSame(seen.known, now)) return false;
    if (!isSame(seen.last, now)) {
      this.#seen.set(path, { ...seen, last: now });
      return false;
    }
    const change = firstChange(seen.known, now);
    if (change !== null) await this.#options.onChange(fileEvent(path), `file ${change}`);
    this.#seen.set(path, { known: now, last: now });
    return true;
  }

  async #remember(): Promise<void> {
    const paths = [...this.#seen].map(([path, { known }]) => [path, Object.fromEntries(known)]);
    const text = JSON.stringify({ schemaVersion: 1, paths: Object.fromEntries(paths) });
    await writeFileAtomic(this.#options.memory, text);
  }
}

/** Our own file, written as a whole. */
async function readMemory(path: string): Promise<ReadonlyMap<string, Look>> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  });
  if (text === null) return new Map();
  const { schemaVersion, paths } = JSON.parse(text) as {
    readonly schemaVersion: number;
    readonly paths: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
  if (schemaVersion !== 1) throw new Error(`${path} is of version ${schemaVersion}`);
  return new Map(Object.entries(paths).map(([key, look]) => [key, new Map(Object.entries(look))]));
}
