/**
 * A virtual machine that boots what a test host has on its disk: for what needs a kernel of its own. It is some fifty times slower than
 * the host, so little is done in it, and nothing is asked of it: it says by itself what there is to say, and switches itself off.
 */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { cached, hashOf, isCached } from "../cache.ts";
import type { Host } from "../host.ts";
import { run } from "../run.ts";

const kernelScript = join(import.meta.dirname, "kernel.sh");
const bootScript = join(import.meta.dirname, "boot.sh");
const programs = ["qemu-system-x86_64", "cpio"];
const kernelWithinMs = 300_000;

/** Why there can be no virtual machine here, in words for a person; undefined if there can. */
export async function whyNoVirtualMachine(): Promise<string | undefined> {
  if (process.arch !== "x64") return "the virtual machine is an x86_64 one";
  const missing = programs.filter((name) => spawnSync(name, ["--version"]).error !== undefined);
  if (missing.length > 0) return `a virtual machine needs ${missing.join(", ")}`;
  if (isCached(await kernelName()) || spawnSync("apt-get", ["--version"]).error === undefined)
    return undefined;
  return "the kernel of the virtual machine comes out of a package of Debian";
}

/**
 * Switches the host off, boots its disk, and resolves with what the machine wrote to its console, once it is off. The host's own disk
 * is as it was.
 *
 * @param withinMs the machine is ended then, and what it wrote until then is all
 */
export async function inVirtualMachine(host: Host, withinMs: number): Promise<string> {
  const kernel = await cached(await kernelName(), async (temporary) => {
    await run(kernelScript, [temporary], kernelWithinMs);
  });
  await host.shutDown();
  const scratch = await mkdtemp(join(tmpdir(), "daruma-vm-"));
  try {
    const options = { reject: false, stdin: "ignore", timeout: withinMs, all: true } as const;
    const { all } = await execa(bootScript, [host.disk(), kernel, scratch], options);
    return all.replaceAll("\r\n", "\n");
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function kernelName(): Promise<string> {
  return `kernel-${await hashOf([{ file: kernelScript }])}`;
}
