/** Whether there can be a test host here. */
import { spawnSync } from "node:child_process";
import { imageIsCached } from "./image.ts";

/** Programs of util-linux, tar and systemd-container; Debian has all but the last one from the start. */
const programs = ["unshare", "nsenter", "flock", "tar", "journalctl", "systemd-nspawn"];
/** Only where the image has to be made. */
const imageProgram = "debootstrap";

/** Why there can be no test host here, in words for a person; undefined if there can. */
export async function whyNoHost(): Promise<string | undefined> {
  if (process.platform !== "linux") return "a test host needs Linux";
  if (process.getuid?.() !== 0) return "a test host needs root";
  const missing = missingOf([...programs, imageProgram]);
  const needed = missing.filter((program) => program !== imageProgram);
  if (needed.length > 0) return `a test host needs ${needed.join(", ")}`;
  if (missing.includes(imageProgram) && !(await imageIsCached()))
    return "the image of the test host needs debootstrap";
  const mounts =
    "umount -R -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && mount -t overlay overlay -o lowerdir=/usr:/etc /mnt";
  const namespace = spawnSync("unshare", ["-m", "sh", "-c", mounts], { encoding: "utf8" });
  return namespace.status === 0 ? undefined : `a test host needs to mount: ${namespace.stderr.trim()}`;
}

/** What to tell a person whose scenarios are skipped. */
export function howToHaveHost(why: string): string {
  return `scenarios on the test host are skipped: ${why}
To run them: Linux, root, and on Debian
  apt-get install -y systemd-container debootstrap && make test
`;
}

function missingOf(names: readonly string[]): readonly string[] {
  const look = 'for name; do command -v "$name" >/dev/null || echo "$name"; done';
  return spawnSync("sh", ["-c", look, "sh", ...names], { encoding: "utf8" })
    .stdout.split("\n")
    .slice(0, -1);
}
