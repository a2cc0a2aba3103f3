import { type FSWatcher, watch } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf, systemCode } from "@daruma/base";

export interface WatchTargets {
  /** Single files, which may be replaced by a rename or not be there yet. */
  readonly files: readonly string[];
  /** Directories with everything below them. */
  readonly trees: readonly string[];
}

export interface WatchEvents {
  /** Something changed; called once for a burst of changes. */
  readonly onChange: () => void;
  /** A directory cannot be watched (inotify limits, permissions): changes in it will go unseen. */
  readonly onProblem: (directory: string, message: string) => void;
}

/** A burst is over when nothing has come for this long. */
const quietMs = 80;
/** A directory that never rests is not waited for longer than this. */
const longestBurstMs = 1_000;

/** Never watched: our own state; the bookkeeping of git, which changes without the code doing so. */
const passedOver: ReadonlySet<string> = new Set([".daruma", ".git"]);

/**
 * Watches files and trees. Node's own recursive watching misses what happens in new directories on Linux, so every
 * directory has a watcher of its own, and `update` is called after each change to find the new ones.
 */
export class SourceWatcher {
  readonly #events: WatchEvents;
  readonly #told = new Set<string>();
  #watchers: readonly FSWatcher[] = [];
  #timer: NodeJS.Timeout | null = null;
  #burstSince: number | null = null;
  #closed = false;

  constructor(events: WatchEvents) {
    this.#events = events;
  }

  /** Something has changed, and `onChange` is yet to be called. */
  get isSettling(): boolean {
    return this.#timer !== null;
  }

  /** Watches exactly these from now on. The old watchers are closed last, so that nothing falls between. */
  async update(targets: WatchTargets): Promise<void> {
    const places = new Places();
    for (const file of targets.files) places.add(await watchPoint(file));
    for (const tree of targets.trees) {
      places.add(await watchPoint(tree));
      for (const directory of await directoriesOf(tree)) places.addAll(directory);
    }
    if (this.#closed) return;
    const old = this.#watchers;
    this.#watchers = [...places.wanted].flatMap(([directory, names]) => this.#watch(directory, names));
    for (const watcher of old) watcher.close();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #watch(directory: string, names: Names): readonly FSWatcher[] {
    try {
      const watcher = watch(directory, (_, file) => {
        const matters = names === "all" ? !passedOver.has(file ?? "") : file === null || names.has(file);
        if (matters) this.#changed();
      });
      watcher.on("error", (error) => this.#problem(directory, error));
      return [watcher];
    } catch (error) {
      this.#problem(directory, error);
      return [];
    }
  }

  #problem(directory: string, error: unknown): void {
    // It was there a moment ago: that is a change like any other, and its parent tells it too.
    if (systemCode(error) === "ENOENT" || this.#told.has(directory)) return;
    this.#told.add(directory);
    this.#events.onProblem(directory, messageOf(error));
  }

  #changed(): void {
    const now = performance.now();
    this.#burstSince ??= now;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const left = this.#burstSince + longestBurstMs - now;
    this.#timer = setTimeout(
      () => {
        this.#burstSince = null;
        this.#timer = null;
        this.#events.onChange();
      },
      Math.max(0, Math.min(quietMs, left)),
    );
  }
}

type Names = ReadonlySet<string> | "all";

/** Which names matter in which directories. */
class Places {
  readonly wanted = new Map<string, Names>();

  add({ directory, name }: WatchPoint): void {
    const known = this.wanted.get(directory) ?? new Set();
    if (known !== "all") this.wanted.set(directory, new Set([...known, name]));
  }

  addAll(directory: string): void {
    this.wanted.set(directory, "all");
  }
}

interface WatchPoint {
  readonly directory: string;
  readonly name: string;
}

/** Where it shows that `path` comes, goes or is replaced: the nearest directory above it that exists. */
async function watchPoint(path: string): Promise<WatchPoint> {
  const directory = dirname(path);
  if (directory === path || (await exists(directory))) return { directory, name: basename(path) };
  return watchPoint(directory);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * The directories of a tree. Of a node_modules only the top is watched: every installation writes there, and below it are
 * more directories than inotify has watches.
 */
async function directoriesOf(tree: string): Promise<string[]> {
  const entries = await readdir(tree, { withFileTypes: true }).catch(() => null);
  if (entries === null) return [];
  const found = [tree];
  if (basename(tree) === "node_modules") return found;
  for (const entry of entries) {
    if (!entry.isDirectory() || passedOver.has(entry.name)) continue;
    found.push(...(await directoriesOf(join(tree, entry.name))));
  }
  return found;
}
