import { type FSWatcher, watch } from "node:fs";
import { isDarumaError } from "@daruma/base";
import type { HostManifest } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import { createMutex } from "../concurrency.ts";
import type {
  CurrentGeneration,
  GenerationInfo,
  Generations,
  KnownGood,
  SwitchOrder,
  Verdict,
} from "../ports.ts";
import { closureProblems, manifestFileOf, missingFrom } from "./closure.ts";
import { removeGarbage } from "./garbage.ts";
import { promote, readPromotions } from "./known-good.ts";
import { type Layout, prepareLayout, storeNameOf, writing } from "./layout.ts";
import { createManifests, digestsOf } from "./manifests.ts";
import {
  activateProfileLink,
  addProfileLink,
  currentProfileLink,
  isCurrentLink,
  profileLinks,
  removeProfileLink,
} from "./profile.ts";
import { keepWorn } from "./worn.ts";

export interface Deployed {
  readonly number: number;
  readonly path: string;
  /** The path was the current generation already; nothing was changed. */
  readonly unchanged: boolean;
}

/** Generations in a directory, for `agentctl dev`. */
export interface DirectoryGenerations extends Generations {
  /**
   * Gives a store path that buildGeneration made the next number and makes it current.
   *
   * @throws GENERATION_E_NOT_FOUND, GENERATION_E_CORRUPT, GENERATION_E_WRITE
   */
  deploy(path: string): Promise<Deployed>;
  /**
   * The store path of a number.
   *
   * @throws GENERATION_E_NOT_FOUND
   */
  find(number: number): Promise<string>;
  /**
   * Removes what nothing needs: kept are the newest ten numbers, the current one, all that is known-good or kept
   * for an agent (`keepFor`), and what is younger than `minAgeMs` (default one hour). Returns the store paths that are gone.
   */
  collectGarbage(options?: { readonly minAgeMs?: number }): Promise<readonly string[]>;
  /**
   * What is kept for agents that run with the settings of an earlier generation; an agent that is not named needs none any more.
   *
   * @param worn agent -> store path
   * @throws GENERATION_E_WRITE
   */
  keepFor(worn: Readonly<Record<string, string>>): Promise<void>;
}

const defaultMinAgeMs = 3_600_000;

/**
 * Several processes may use one directory: a switch is one rename, numbers are taken by making their link, and garbage
 * collection spares what is new.
 *
 * @throws GENERATION_E_WRITE
 */
export async function createDirectoryGenerations(options: {
  readonly root: string;
}): Promise<DirectoryGenerations> {
  const layout = await prepareLayout(options.root);
  return new Directory(layout);
}

class Directory implements DirectoryGenerations {
  readonly #layout: Layout;
  readonly #manifests = createManifests();
  readonly #alone = createMutex();
  readonly #listeners: (() => void)[] = [];
  #watcher: FSWatcher | null = null;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  async current(): Promise<CurrentGeneration | null> {
    const link = await currentProfileLink(this.#layout);
    if (link === null) return null;
    const manifest = await this.#manifest(link.name);
    return { number: link.number, path: this.#path(link.name), manifest };
  }

  async list(): Promise<readonly GenerationInfo[]> {
    const current = await currentProfileLink(this.#layout);
    const links = await profileLinks(this.#layout);
    return links.map(({ number, name, createdAt }) => ({
      number,
      path: this.#path(name),
      createdAt,
      current: number === current?.number,
    }));
  }

  async find(number: number): Promise<string> {
    const link = (await profileLinks(this.#layout)).find((each) => each.number === number);
    if (link === undefined) throw notFound(`there is no generation ${number}`);
    return this.#path(link.name);
  }

  async manifestOf(path: string): Promise<HostManifest> {
    return this.#manifest(await this.#present(path));
  }

  async knownGood(): Promise<readonly KnownGood[]> {
    const links = await profileLinks(this.#layout);
    const found: KnownGood[] = [];
    for (const { name, promotedAt } of await readPromotions(this.#layout)) {
      const manifest = await this.#manifest(name).catch(() => null);
      if (manifest === null) continue;
      found.push({
        path: this.#path(name),
        number: links.findLast((link) => link.name === name)?.number ?? null,
        hostDigest: manifest.hostDigest,
        digests: digestsOf(manifest),
        promotedAt,
      });
    }
    return found;
  }

  async verifyClosure(path: string): Promise<Verdict> {
    const name = storeNameOf(this.#layout, path);
    if (name === null) return verdict([`${path} is not in ${this.#layout.store}`]);
    return verdict(await closureProblems(this.#layout, name));
  }

  async markKnownGood(path: string, promotedAt: number): Promise<void> {
    await this.#changing(async () => {
      const name = await this.#present(path);
      await promote(this.#layout, name, promotedAt);
    });
  }

  async deploy(path: string): Promise<Deployed> {
    return this.#changing(async () => {
      const name = await this.#present(path);
      const current = await currentProfileLink(this.#layout);
      const unchanged = current?.name === name;
      const number = unchanged ? current.number : await this.#addNumber(name);
      await activateProfileLink(this.#layout, number);
      return { number, path: this.#path(name), unchanged };
    });
  }

  async switchTo(path: string, order?: SwitchOrder): Promise<Verdict> {
    try {
      return await this.#changing(async () => {
        const name = await this.#present(path);
        const before = order === undefined ? null : await currentProfileLink(this.#layout);
        const left = before === null ? undefined : this.#path(before.name);
        if (left !== undefined && left !== order?.from && left !== path)
          return verdict([`${left} has become current meanwhile`]);
        const known = (await profileLinks(this.#layout)).findLast((link) => link.name === name);
        await activateProfileLink(this.#layout, known?.number ?? (await this.#addNumber(name)));
        const current = await currentProfileLink(this.#layout);
        return verdict(current?.name === name ? [] : ["another process switched at the same time"]);
      });
    } catch (error) {
      if (!isDarumaError(error)) throw error;
      return verdict([error.message]);
    }
  }

  async collectGarbage(options: { readonly minAgeMs?: number } = {}): Promise<readonly string[]> {
    const minAgeMs = options.minAgeMs ?? defaultMinAgeMs;
    const names = await this.#changing(() => removeGarbage(this.#layout, Date.now(), minAgeMs));
    return names.map((name) => this.#path(name));
  }

  async keepFor(worn: Readonly<Record<string, string>>): Promise<void> {
    await this.#changing(() => keepWorn(this.#layout, worn));
  }

  /** The link that says which generation is current moves at once. */
  async switching(): Promise<boolean> {
    return false;
  }

  onSwitch(listener: () => void): void {
    this.#listeners.push(listener);
    this.#watcher ??= watch(this.#layout.profiles, (_, file) => {
      if (isCurrentLink(file)) for (const each of this.#listeners) each();
    });
    // A hint is not worth keeping a process alive, or ending one.
    this.#watcher.unref();
    this.#watcher.on("error", () => undefined);
  }

  async close(): Promise<void> {
    this.#listeners.length = 0;
    this.#watcher?.close();
    this.#watcher = null;
    await this.#alone(async () => undefined);
  }

  #manifest(name: string): Promise<HostManifest> {
    return this.#manifests.of(manifestFileOf(this.#layout, name));
  }

  #path(name: string): string {
    return `${this.#layout.store}/${name}`;
  }

  #changing<T>(work: () => Promise<T>): Promise<T> {
    return this.#alone(() => writing(this.#layout.root, work));
  }

  /** The number keeps the path from the garbage collection; only then is it certain that nothing is missing. */
  async #addNumber(name: string): Promise<number> {
    const number = await addProfileLink(this.#layout, name);
    const missing = await missingFrom(this.#layout, name);
    if (missing.length === 0) return number;
    await removeProfileLink(this.#layout, number);
    throw notFound(missing.join("; "));
  }

  async #present(path: string): Promise<string> {
    const name = storeNameOf(this.#layout, path);
    if (name === null) throw notFound(`${path} is not a path of ${this.#layout.store}`);
    const missing = await missingFrom(this.#layout, name);
    if (missing.length > 0) throw notFound(missing.join("; "));
    return name;
  }
}

function verdict(problems: readonly string[]): Verdict {
  return problems.length === 0 ? { ok: true } : { ok: false, problems };
}

function notFound(message: string): Error {
  return watchdErrors.make("GENERATION_E_NOT_FOUND", message);
}
