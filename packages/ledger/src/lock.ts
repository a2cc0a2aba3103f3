import { readFile, stat, statfs } from "node:fs/promises";
import { systemCode } from "@daruma/base";

/** File systems whose files report another device in stat(2) than in /proc/locks (linux/magic.h). */
const deviceDiffers: ReadonlySet<number> = new Set([0x9123683e /* btrfs */, 0x794c7630 /* overlayfs */]);

/**
 * Whether a process holds a lock on `file`, from /proc/locks (proc_locks(5)). Asking the usual way, by taking the
 * lock, would open the file for writing. False where there is no /proc.
 */
export async function isLocked(file: string): Promise<boolean> {
  const found = await stat(file).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  });
  const table = await readFile("/proc/locks", "latin1").catch(() => "");
  if (found === null || table === "") return false;
  const anyDevice = deviceDiffers.has((await statfs(file)).type);
  return lockedInodes(table).some(
    (lock) => lock.inode === found.ino && (anyDevice || lock.device === found.dev),
  );
}

export interface LockedInode {
  /** As in stat(2). */
  readonly device: number;
  readonly inode: number;
}

/** The inodes in the text of /proc/locks: `1: POSIX  ADVISORY  WRITE 669 fe:00:1310727 0 EOF`. */
export function lockedInodes(table: string): readonly LockedInode[] {
  const pattern = /^\d+: +\S+ +\S+ +\S+ +-?\d+ ([0-9a-f]+):([0-9a-f]+):(\d+) /gm;
  return [...table.matchAll(pattern)].map(([, major, minor, inode]) => ({
    device: deviceOf(Number.parseInt(major ?? "", 16), Number.parseInt(minor ?? "", 16)),
    inode: Number(inode),
  }));
}

/** makedev(3) for numbers as Linux has them: 12 bits of major, 20 of minor. */
function deviceOf(major: number, minor: number): number {
  return (minor & 0xff) + (major << 8) + Math.floor(minor / 256) * 2 ** 20;
}
