import { type FSWatcher, watch } from "node:fs";

export interface Hints {
  /** Watches these directories and no others. */
  follow(directories: readonly string[]): void;
  close(): void;
}

/** inotify has limits that others want to use as well. */
const mostWatched = 1_000;

/** Tells that something in a directory has changed. Hints only: whoever needs certainty looks by the clock as well. */
export function createHints(onHint: (directory: string) => void): Hints {
  const watchers = new Map<string, FSWatcher>();
  const drop = (directory: string) => {
    watchers.get(directory)?.close();
    watchers.delete(directory);
  };
  return {
    follow(directories) {
      const wanted = new Set(directories.slice(0, mostWatched));
      for (const directory of watchers.keys()) if (!wanted.has(directory)) drop(directory);
      for (const directory of wanted) {
        if (watchers.has(directory)) continue;
        const watcher = watchDirectory(
          directory,
          () => onHint(directory),
          () => drop(directory),
        );
        if (watcher !== null) watchers.set(directory, watcher);
      }
    },
    close() {
      for (const directory of [...watchers.keys()]) drop(directory);
    },
  };
}

/** Null where it cannot be watched: it is not there, or inotify's limits are reached. */
function watchDirectory(directory: string, onChange: () => void, onLost: () => void): FSWatcher | null {
  try {
    const watcher = watch(directory, (event, file) => {
      onChange();
      // The directory itself has been moved or removed: its watch is of no use any more.
      if (event === "rename" && file !== null && directory.endsWith(`/${file}`)) onLost();
    });
    watcher.on("error", onLost);
    return watcher.unref();
  } catch {
    return null;
  }
}
