import type { HostManifest } from "@daruma/config";
import type { CurrentGeneration, KnownGood } from "../ports.ts";

const keptKnownGood = 3;

/** The generations of the simulated host, with closures that can be damaged and links that keep the known-good ones. */
export class Profile {
  readonly generations: CurrentGeneration[] = [];
  readonly damaged = new Set<string>();
  readonly #pathOf = new Map<string, string>();
  readonly #everyPath = new Map<string, CurrentGeneration>();
  #current: CurrentGeneration | null = null;
  #knownGood: readonly KnownGood[] = [];
  /** Called whenever another generation has become the current one. */
  onSwitch: () => void = () => {};

  get current(): CurrentGeneration | null {
    return this.#current;
  }

  /** Newest promotion first. */
  get knownGood(): readonly KnownGood[] {
    return this.#knownGood;
  }

  /** Store paths come from content: the same manifest always has the same one. */
  deploy(manifest: HostManifest): CurrentGeneration {
    const path = this.#pathFor(manifest);
    return this.#activate(path, manifest);
  }

  /** @param reuse go back to the number that the path had, instead of making a new one */
  switchTo(path: string, reuse: boolean): void {
    if (this.#current?.path === path) return;
    const known = this.at(path);
    if (reuse) {
      this.#current = known;
      this.onSwitch();
    } else this.#activate(path, known.manifest);
  }

  at(path: string): CurrentGeneration {
    const generation = this.#everyPath.get(path);
    if (generation === undefined) throw new Error(`there is no ${path}`);
    return generation;
  }

  promote(path: string, promotedAt: number): void {
    const { manifest, number } = this.at(path);
    const digests = Object.fromEntries(
      Object.entries(manifest.agents).map(([name, { digest }]) => [name, digest]),
    );
    const entry: KnownGood = { path, number, hostDigest: manifest.hostDigest, digests, promotedAt };
    this.#knownGood = [entry, ...this.#knownGood.filter((good) => good.path !== path)].slice(
      0,
      keptKnownGood,
    );
  }

  /** A link to a known-good generation is gone, as after a careless clean-up. */
  forget(path: string): void {
    this.#knownGood = this.#knownGood.filter((good) => good.path !== path);
  }

  #activate(path: string, manifest: HostManifest): CurrentGeneration {
    const generation = { number: this.generations.length + 1, path, manifest };
    this.generations.push(generation);
    this.#everyPath.set(path, generation);
    this.#current = generation;
    this.onSwitch();
    return generation;
  }

  #pathFor(manifest: HostManifest): string {
    const content = JSON.stringify(manifest);
    const path = this.#pathOf.get(content) ?? `/store/${this.#pathOf.size + 1}`;
    this.#pathOf.set(content, path);
    return path;
  }
}
