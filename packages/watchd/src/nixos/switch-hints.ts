import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Site } from "./site.ts";
import { switchUnderWay } from "./switch-lock.ts";

export interface SwitchHints {
  listen(listener: () => void): void;
  close(): void;
}

/**
 * Tells that a switch may have been made: when the link to the system that runs, or the profile, is made anew, and once
 * more when the switch has ended. Hints only: whoever needs certainty asks by the clock as well.
 */
export function createSwitchHints(site: Site, pollMs: number): SwitchHints {
  const listeners: (() => void)[] = [];
  const watchers: FSWatcher[] = [];
  let timer: NodeJS.Timeout | null = null;
  const tell = () => {
    for (const listener of listeners) listener();
  };
  const awaitEnd = () => {
    if (timer === null) return;
    const underWay = isUnderWay(site);
    if (underWay) timer = setTimeout(awaitEnd, pollMs).unref();
    else {
      timer = null;
      tell();
    }
  };
  const onChange = () => {
    tell();
    timer ??= setTimeout(awaitEnd, pollMs).unref();
  };
  const begin = () => {
    for (const link of [site.currentSystem, site.profile]) {
      const watcher = watchLink(link, onChange);
      if (watcher !== null) watchers.push(watcher);
    }
    // One that was under way before anybody listened ends as well.
    timer ??= setTimeout(awaitEnd, pollMs).unref();
  };
  return {
    listen(listener) {
      if (listeners.length === 0) begin();
      listeners.push(listener);
    },
    close() {
      listeners.length = 0;
      for (const watcher of watchers) watcher.close();
      if (timer !== null) clearTimeout(timer);
      timer = null;
    },
  };
}

/** Whoever needs certainty asks by the clock as well. */
function isUnderWay(site: Site): boolean {
  try {
    return switchUnderWay(site);
  } catch {
    return false;
  }
}

/** A link is replaced, not written: only its directory knows. Null where it cannot be watched (inotify has limits). */
function watchLink(link: string, onChange: () => void): FSWatcher | null {
  try {
    const watcher = watch(dirname(link), (_, file) => {
      if (file === null || file === basename(link)) onChange();
    });
    watcher.on("error", () => undefined);
    return watcher.unref();
  } catch {
    return null;
  }
}
