import { readFileSync, statSync } from "node:fs";
import { systemCode } from "@daruma/base";
import type { Site } from "./site.ts";

/**
 * Whether a switch is under way, whoever began it: switch-to-configuration holds an flock(2) from its first to its last
 * step. Between them systemd may still have the old units while `/run/current-system` is the new one already, so that
 * whatever is started then may be the old code.
 */
export function switchUnderWay(site: Site): boolean {
  try {
    const { dev, ino } = statSync(site.switchLock, { bigint: true });
    return isLocked(readFileSync(site.locks, "utf8"), dev, ino);
  } catch (error) {
    // Nothing has been switched since boot.
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * Whether a text in the format of `/proc/locks` (proc(5)) has an flock on a file. Lines of those who only wait for it have
 * an arrow in the second column.
 */
export function isLocked(locks: string, dev: bigint, ino: bigint): boolean {
  const file = `${hex(major(dev))}:${hex(minor(dev))}:${ino}`;
  return locks.split("\n").some((line) => {
    const [, kind, , , , where] = line.trim().split(/\s+/);
    return kind === "FLOCK" && where === file;
  });
}

/** makedev(3), as glibc packs it. */
function major(dev: bigint): bigint {
  return ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
}

function minor(dev: bigint): bigint {
  return (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
}

function hex(value: bigint): string {
  return value.toString(16).padStart(2, "0");
}
