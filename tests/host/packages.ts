/**
 * What a test host starts with on top of the image: Node and Daruma as packages in its store, and a first, empty generation
 * as an installer would leave it. Made without booting, kept in the cache, shared by all hosts.
 */
import { existsSync } from "node:fs";
import { cp, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cached, hashOf } from "./cache.ts";
import { image } from "./image.ts";
import { run } from "./run.ts";

export const repository = dirname(dirname(import.meta.dirname));

const require = createRequire(import.meta.url);
const generation = join(import.meta.dirname, "generation");
const script = join(import.meta.dirname, "machine", "make-layer.sh");
const libexec = ["boot-complete.sh", "failed.sh", "pre-switch.sh", "rollback.sh", "stand-ins.sh"];
/** How programs are run, as in nix/package.nix. */
const settings = ["daemon-environment.json", "node-options.json"];
const withinMs = 120_000;
const builtWithinMs = 10_000;

interface Layer {
  readonly key: string;
  readonly lower: readonly string[];
  /** What is /payload while the commands run. */
  readonly payload: string;
  /** Run as root in the host's file system. */
  readonly commands: string;
}

/** The layers of a host's disk, the topmost first. Makes what is not in the cache. */
export async function layers(): Promise<readonly string[]> {
  const bottom = await image();
  const withNode = await nodeLayer(bottom);
  // A copy, so that the layer is made of what its key was made of, whoever builds in the meantime.
  const payload = await mkdtemp(join(tmpdir(), "daruma-payload-"));
  try {
    await copyPrograms(payload);
    const key = await hashOf([withNode, ...(await filesOf(generation)), ...(await filesOf(payload))]);
    const commands = `${build("daruma", key)}\n${installation}`;
    const withDaruma = await layer({ key, lower: [withNode, bottom], payload, commands });
    return [withDaruma, withNode, bottom];
  } finally {
    await rm(payload, { recursive: true, force: true });
  }
}

async function nodeLayer(bottom: string): Promise<string> {
  const node = require.resolve("node/bin/node");
  const packages = join(generation, "packages.nix");
  // Its contents are 120 MB, which each process of tests would read: the version says which they are.
  const release = `${require("node/package.json").version} ${process.arch} ${(await stat(node)).size}`;
  const key = await hashOf([basename(bottom), { file: script }, { file: packages }, release]);
  return layer({ key, lower: [bottom], payload: dirname(node), commands: build("nodejs_24", key) });
}

async function layer({ key, lower, payload, commands }: Layer): Promise<string> {
  return cached(`layer-${key}`, async (temporary) => {
    await run("unshare", ["-m", script, lower.join(":"), temporary, repository, payload, commands], withinMs);
  });
}

async function copyPrograms(payload: string): Promise<void> {
  const dist = join(repository, "dist");
  const programs = (await filesWhenBuilt(dist)).filter((name) => /\.(mjs|node)$/.test(name));
  const sources = [
    ...programs.map((name) => join(dist, name)),
    ...settings.map((name) => join(repository, "packages", "agentctl", "src", "dev", name)),
    ...libexec.map((name) => join(repository, "packages", "watchd", "src", "nixos", name)),
    join(repository, "packages", "egress", "src", "nixos", "wall.sh"),
  ];
  for (const source of sources) await cp(source, join(payload, basename(source)));
}

/** Waits for a moment: a build takes dist/ away before it puts the new one there. */
async function filesWhenBuilt(dist: string): Promise<readonly string[]> {
  const deadline = performance.now() + builtWithinMs;
  while (!existsSync(dist)) {
    if (performance.now() > deadline) throw new Error(`${dist} is not there; run \`make build\` first`);
    await delay(50);
  }
  return readdir(dist);
}

/** Rooted, so that no scenario's garbage collection takes what no scenario could build again. */
function build(name: string, hash: string): string {
  return `
    mkdir -p /usr/lib/test-host/packages /nix/var/nix/gcroots
    echo ${hash} >/usr/lib/test-host/packages/${name}
    nix-build /opt/daruma/tests/host/generation/packages.nix -A ${name} -o /nix/var/nix/gcroots/test-host-${name}`;
}

/** As nixos-install does it. */
const installation = `
  nix-env -p /nix/var/nix/profiles/system --set \
    "$(nix-build /opt/daruma/tests/host/generation/toplevel.nix --arg configurations '[ ]' --no-out-link)"
  /nix/var/nix/profiles/system/bin/switch-to-configuration boot`;

async function filesOf(directory: string): Promise<readonly (string | { readonly file: string })[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.sort().flatMap((file) => [relative(directory, file), { file }]);
}

if (import.meta.main) process.stdout.write(`${(await layers()).join("\n")}\n`);
