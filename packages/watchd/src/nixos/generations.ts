import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { isDarumaError, messageOf } from "@daruma/base";
import type { HostManifest } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import { createManifests, digestsOf, type Manifests } from "../generations/manifests.ts";
import type {
  CurrentGeneration,
  GenerationInfo,
  Generations,
  KnownGood,
  SwitchOrder,
  Verdict,
} from "../ports.ts";
import { closureProblems } from "./closure.ts";
import { promote, promotions } from "./known-good.ts";
import { isStorePath, nixosSite, type Site } from "./site.ts";
import { createSwitchHints, type SwitchHints } from "./switch-hints.ts";
import { switchUnderWay } from "./switch-lock.ts";
import { type SwitchLimits, SwitchRunner } from "./switching.ts";
import { currentPath, numberOfPath, systemLinks } from "./system-profile.ts";

export interface NixosOptions {
  /** What is not given is where NixOS has it. */
  readonly site?: Partial<Site>;
  readonly limits?: Partial<NixosLimits>;
}

export interface NixosGenerations extends Generations {
  /** As `switching`, at once: it costs two small reads. */
  isSwitching(): boolean;
}

export interface NixosLimits extends SwitchLimits {
  /** For hashing a whole closure. */
  readonly verifyMs: number;
  /** After this long, a switch that does not end is no longer waited for before its system is told. */
  readonly settleMs: number;
}

const defaultLimits: NixosLimits = { turnMs: 120_000, pollMs: 100, verifyMs: 900_000, settleMs: 600_000 };

/**
 * Generations of a NixOS host: the system profile, and what runs. Needs coreutils, nix and systemd on PATH. Other programs
 * may switch at any time; what is told is what is there.
 */
export function createNixosGenerations(options: NixosOptions = {}): NixosGenerations {
  return new SystemGenerations({ ...nixosSite, ...options.site }, { ...defaultLimits, ...options.limits });
}

class SystemGenerations implements NixosGenerations {
  readonly #site: Site;
  readonly #limits: NixosLimits;
  readonly #manifests: Manifests;
  readonly #closing = new AbortController();
  readonly #switching: SwitchRunner;
  readonly #hints: SwitchHints;
  /** What was current when nothing was being switched, as far as anybody was told. */
  #settled: CurrentGeneration | null = null;
  /** Monotonic instant at which the switch that is under way was first seen. */
  #switchSince: number | null = null;

  constructor(site: Site, limits: NixosLimits) {
    this.#site = site;
    this.#limits = limits;
    this.#manifests = createManifests();
    this.#switching = new SwitchRunner(site, limits, this.#closing.signal);
    this.#hints = createSwitchHints(site, limits.pollMs);
  }

  /**
   * The system that runs. In mid-switch it is the one before, for as long as that has not ended: until then systemd may
   * have the units of either. (Right after a start there is nothing before.)
   */
  async current(): Promise<CurrentGeneration | null> {
    const path = await currentPath(this.#site);
    if (path === null) return null;
    const [moving, settled] = [this.isSwitching(), this.#settled];
    if (moving && settled !== null && settled.path !== path) return settled;
    const [number, manifest] = [await numberOfPath(this.#site, path), await this.#manifest(path)];
    this.#settled = { number, path, manifest };
    return this.#settled;
  }

  async list(): Promise<readonly GenerationInfo[]> {
    const links = await systemLinks(this.#site);
    const path = await currentPath(this.#site);
    const current = links.findLast((link) => link.path === path);
    return links.map((link) => ({ ...link, current: link === current }));
  }

  async manifestOf(path: string): Promise<HostManifest> {
    if (!isStorePath(this.#site, path))
      throw watchdErrors.make("GENERATION_E_NOT_FOUND", `${path} is not a path of ${this.#site.store}`);
    return this.#manifest(path);
  }

  async knownGood(): Promise<readonly KnownGood[]> {
    const links = await systemLinks(this.#site);
    const found: KnownGood[] = [];
    for (const { path, promotedAt } of await promotions(this.#site)) {
      const manifest = await this.#manifest(path).catch(() => null);
      if (manifest === null) continue;
      found.push({
        path,
        number: links.findLast((link) => link.path === path)?.number ?? null,
        hostDigest: manifest.hostDigest,
        digests: digestsOf(manifest),
        promotedAt,
      });
    }
    return found;
  }

  async verifyClosure(path: string): Promise<Verdict> {
    if (!isStorePath(this.#site, path)) return verdict([`${path} is not in ${this.#site.store}`]);
    const options = { timeoutMs: this.#limits.verifyMs, signal: this.#closing.signal };
    return verdict(await closureProblems(path, options));
  }

  async markKnownGood(path: string, promotedAt: number): Promise<void> {
    if (!isStorePath(this.#site, path))
      throw watchdErrors.make("GENERATION_E_NOT_FOUND", `${path} is not a path of ${this.#site.store}`);
    await this.#manifest(path);
    try {
      await promote(this.#site, path, promotedAt);
    } catch (cause) {
      const where = this.#site.gcroots;
      const message = `cannot write below ${where}: ${messageOf(cause)}`;
      throw watchdErrors.make("GENERATION_E_WRITE", message, { where, cause });
    }
  }

  async switchTo(path: string, order?: SwitchOrder): Promise<Verdict> {
    if (!isStorePath(this.#site, path)) return verdict([`${path} is not in ${this.#site.store}`]);
    const current = await currentPath(this.#site);
    if (order === undefined && current === path) return verdict([]);
    const from = order?.from ?? current;
    if (from === null) return verdict([`${this.#site.currentSystem} is no generation`]);
    const id = order?.id ?? `unnamed-${randomBytes(6).toString("hex")}`;
    const problems = await this.#switching.run({ id, from, target: path });
    const now = await currentPath(this.#site);
    if (now !== path) return verdict([...problems, `${now ?? "nothing"} is current`]);
    await this.#settle();
    // That it is current says nothing where it was before.
    return verdict(from === path ? problems : []);
  }

  async switching(): Promise<boolean> {
    return this.isSwitching();
  }

  /** As long as `settleMs` at most: a switch that does not end must not blind the watchdog. */
  isSwitching(): boolean {
    if (!switchUnderWay(this.#site)) {
      this.#switchSince = null;
      return false;
    }
    this.#switchSince ??= performance.now();
    return performance.now() - this.#switchSince < this.#limits.settleMs;
  }

  onSwitch(listener: () => void): void {
    this.#hints.listen(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#hints.close();
  }

  #manifest(path: string): Promise<HostManifest> {
    return this.#manifests.of(join(path, this.#site.hostFile));
  }

  /** Our own switch has ended; somebody else's that began right then must not hide it. */
  async #settle(): Promise<void> {
    this.#settled = null;
    try {
      await this.current();
    } catch (error) {
      // Told to whoever asks next.
      if (!isDarumaError(error)) throw error;
    }
  }
}

function verdict(problems: readonly string[]): Verdict {
  return problems.length === 0 ? { ok: true } : { ok: false, problems };
}
