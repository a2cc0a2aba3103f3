import { readFile } from "node:fs/promises";
import { messageOf, systemCode, writeFileAtomic } from "@daruma/base";
import type { HostManifest } from "@daruma/config";
import type { Difference } from "./difference.ts";
import { firstRound, progressOf, type Round, type StorePath, takeTurn } from "./pace.ts";

export interface StoreTools {
  /** Everything that `roots` need, themselves included, in the order of their names. */
  list(roots: readonly string[]): Promise<readonly StorePath[]>;
  /**
   * What is wrong with each of the paths that something is wrong with, by their hashes. Reads all of them.
   *
   * Rejects where that could not be found out.
   */
  verify(paths: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

export interface StoreWatchOptions {
  readonly tools: StoreTools;
  /** Keeps the round over restarts. */
  readonly file: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly log: (message: string) => void;
  /** Called when something is wrong that was right before, or the other way round. */
  readonly onChange: () => void;
}

export interface StoreProgress {
  readonly paths: number;
  readonly bytes: number;
  /** Of the round that is under way. */
  readonly verified: number;
  readonly roundBeganAt: number;
  readonly lastRoundEndedAt: number | null;
}

interface Kept {
  readonly round: Round;
  readonly bad: Readonly<Record<string, string>>;
}

/** Verifies store paths, one batch at a time and beside everything else, and knows what was wrong when it was last looked at. */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  #kept: Kept | null = null;
  #roots = "";
  #paths: readonly StorePath[] = [];
  #lastAt: number | null = null;
  #urgent = new Set<string>();
  /** One batch at a time. */
  #work: Promise<unknown> = Promise.resolve();
  #busy = false;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  /** What was found wrong, with the agents that it concerns. */
  async differences({ agents }: HostManifest, canRepair: boolean): Promise<readonly Difference[]> {
    const { bad } = await this.#load();
    return Object.entries(bad).map(([path, problem]) => {
      const started = Object.entries(agents)
        .filter(([, { command }]) => command.some((word) => word === path || word.startsWith(`${path}/`)))
        .map(([name]) => name);
      return {
        kind: "store",
        at: path,
        declared: ["what its hash says"],
        observed: [problem],
        remedy: canRepair
          ? { kind: "repair", path, agents: started }
          : { kind: "none", why: "it is made anew by the next deploy of a change" },
      };
    });
  }

  async progress(): Promise<StoreProgress> {
    const { round } = await this.#load();
    return {
      paths: this.#paths.length,
      bytes: this.#paths.reduce((sum, { bytes }) => sum + bytes, 0),
      verified: progressOf(round, this.#paths),
      roundBeganAt: round.beganAt,
      lastRoundEndedAt: round.endedAt,
    };
  }

  /** Paths of the store that are known to be in use; empty before the first time that they could be listed. */
  get paths(): readonly StorePath[] {
    return this.#paths;
  }

  /** This path is looked at with the next batch, whoever's turn it is. */
  suspect(path: string): void {
    this.#urgent.add(path);
  }

  /** Begins the next batch, unless one is under way; never waits for it. */
  tick(roots: readonly string[], pace: { readonly everyMs: number; readonly storeEveryMs: number }): void {
    if (this.#busy) return;
    this.#busy = true;
    void this.#alone(() => this.#batch(roots, pace))
      .catch((error) => this.#options.log(`the store could not be verified: ${messageOf(error)}`))
      .finally(() => {
        this.#busy = false;
      });
  }

  /** Looks at these paths now. Rejects where that could not be done. */
  async verifyNow(paths: readonly string[]): Promise<void> {
    await this.#alone(async () => this.#verify(paths, (await this.#load()).round));
  }

  /** Resolves when nothing is being verified. */
  async idle(): Promise<void> {
    await this.#work;
  }

  #alone(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #batch(
    roots: readonly string[],
    { everyMs, storeEveryMs }: { readonly everyMs: number; readonly storeEveryMs: number },
  ): Promise<void> {
    const { bad, round } = await this.#load();
    await this.#list(roots);
    const now = this.#options.now();
    const last = this.#lastAt ?? now - everyMs;
    this.#lastAt = now;
    // A machine that slept, or a clock that was set, owes nothing.
    const elapsedMs = Math.min(Math.max(0, now - last), 2 * everyMs);
    const turn = takeTurn(round, this.#paths, { elapsedMs, withinMs: storeEveryMs, now });
    const urgent = [...this.#urgent];
    this.#urgent.clear();
    const inUse = new Set(this.#paths.map(({ path }) => path));
    // What is wrong is looked at each time: somebody may have put it right.
    const wanted = [...new Set([...urgent, ...Object.keys(bad), ...turn.paths])].filter((path) =>
      inUse.has(path),
    );
    await this.#verify(wanted, turn.round);
  }

  /** The round goes on only with what has been looked at. */
  async #verify(paths: readonly string[], round: Round): Promise<void> {
    const before = (await this.#load()).bad;
    const problems = paths.length === 0 ? new Map<string, string>() : await this.#options.tools.verify(paths);
    const inUse = new Set(this.#paths.map(({ path }) => path));
    const kept = Object.entries(before).filter(([path]) => !paths.includes(path) && inUse.has(path));
    await this.#keep({ round, bad: Object.fromEntries([...kept, ...problems]) });
    const keys = (record: Readonly<Record<string, string>>) => Object.keys(record).sort().join();
    if (keys(before) !== keys(this.#kept?.bad ?? {})) this.#options.onChange();
  }

  async #list(roots: readonly string[]): Promise<void> {
    const key = [...new Set(roots)].sort().join("\n");
    if (key === this.#roots) return;
    this.#paths = await this.#options.tools.list([...new Set(roots)]);
    this.#roots = key;
  }

  async #load(): Promise<Kept> {
    this.#kept ??= (await readKept(this.#options)) ?? { round: firstRound(this.#options.now()), bad: {} };
    return this.#kept;
  }

  async #keep(kept: Kept): Promise<void> {
    this.#kept = kept;
    await writeFileAtomic(this.#options.file, `${JSON.stringify({ schemaVersion: 1, ...kept })}\n`, 0o600);
  }
}

/** Null where there is none, or one that another release wrote: the round then begins anew. */
async function readKept({ file, log }: StoreWatchOptions): Promise<Kept | null> {
  try {
    const { schemaVersion, round, bad } = JSON.parse(await readFile(file, "utf8"));
    return schemaVersion === 1 && typeof round?.cursor === "string" && typeof bad === "object"
      ? { round, bad }
      : null;
  } catch (error) {
    if (systemCode(error) !== "ENOENT") log(`${file} cannot be read: ${messageOf(error)}`);
    return null;
  }
}
