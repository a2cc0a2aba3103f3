/** Generations: from what a person writes to what runs, the way `nixos-rebuild switch` does it (nixos-rebuild-ng). */
import { mkdir, mkdtemp, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { closure } from "./closures.ts";
import type { Host } from "./host.ts";
import { repository } from "./packages.ts";
import { run } from "./run.ts";

export interface Generation {
  /**
   * A fleet: the files of its directory, `fleet.config.ts` and the agents' code. It is compiled with the agentctl of dist/, as
   * a developer does it, and must have a host with this host's name.
   */
  readonly fleet?: Readonly<Record<string, string>>;
  /** Nix: the rest of the configuration, as a set or `{ pkgs, ... }: { … }`. For what it may have, see generation/toplevel.nix. */
  readonly configuration?: string;
}

/** The actions of switch-to-configuration. */
export type Action = "switch" | "boot" | "test" | "check" | "dry-activate";

export interface Switch {
  /** Of switch-to-configuration, or 1 if systemd-run could not start it. */
  readonly exitCode: number;
  /** What it said, stdout and stderr. */
  readonly output: string;
}

export interface Deployment extends Switch {
  /** The toplevel in the host's store. */
  readonly path: string;
  /** Its generation number in the system profile. */
  readonly number: number;
}

const profile = "/nix/var/nix/profiles/system";
const inputs = "/etc/nixos";
const toplevel = "/opt/daruma/tests/host/generation/toplevel.nix";
const withinMs = 120_000;

/** Builds, makes it the newest generation of the system profile, and switches. */
export async function deploy(
  host: Host,
  generation: Generation,
  action: Action = "switch",
): Promise<Deployment> {
  const path = await build(host, generation);
  const number = await setProfile(host, path);
  return { path, number, ...(await switchTo(host, path, action)) };
}

/** Has the toplevel of a generation in the host's store, built by its own Nix or by that of a host like it; resolves with its path. */
export function build(host: Host, generation: Generation): Promise<string> {
  const { fleet = null, configuration = null } = generation;
  return closure(host, [JSON.stringify({ fleet, configuration })], () => buildHere(host, generation));
}

async function buildHere(host: Host, { fleet, configuration }: Generation): Promise<string> {
  const configurations: string[] = [];
  await host.succeed(["rm", "-rf", inputs]);
  if (fleet !== undefined) {
    await copyFleet(host, fleet);
    configurations.push(`${inputs}/fleet/generated/${host.name}/default.nix`);
  }
  if (configuration !== undefined) {
    await host.writeFile(`${inputs}/configuration.nix`, configuration);
    configurations.push(`${inputs}/configuration.nix`);
  }
  const argument = `[ ${configurations.join(" ")} ]`;
  const command = ["nix-build", toplevel, "--arg", "configurations", argument, "--no-out-link"];
  return (await host.succeed(command, { timeoutMs: withinMs })).trim();
}

/** Resolves with the generation's number. */
export async function setProfile(host: Host, path: string): Promise<number> {
  await stat(join(host.disk(), path, "nixos-version"));
  await host.succeed(["nix-env", "-p", profile, "--set", path]);
  const link = await readlink(join(host.disk(), profile));
  return Number(/system-(\d+)-link/.exec(link)?.[1]);
}

/** Runs switch-to-configuration of a toplevel as nixos-rebuild does: in a unit that outlives whoever asked for it. */
export async function switchTo(host: Host, path: string, action: Action): Promise<Switch> {
  const { exitCode, stdout, stderr } = await host.exec(
    [
      "systemd-run",
      "--setenv=NIXOS_INSTALL_BOOTLOADER=0",
      "--collect",
      "--no-ask-password",
      "--pipe",
      "--quiet",
      "--service-type=exec",
      "--unit=nixos-rebuild-switch-to-configuration",
      `${path}/bin/switch-to-configuration`,
      action,
    ],
    { timeoutMs: withinMs },
  );
  return { exitCode, output: stdout + stderr };
}

/** Compiles a fleet, and leaves it in the host with what was generated. Each closure is built once, so this is done once. */
async function copyFleet(host: Host, files: Readonly<Record<string, string>>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "daruma-fleet-"));
  try {
    await compile(files, directory);
    await host.copyIn(directory, `${inputs}/fleet`);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function compile(files: Readonly<Record<string, string>>, directory: string): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  const agentctl = join(repository, "dist", "agentctl.mjs");
  const config = join(directory, "fleet.config.ts");
  const out = join(directory, "generated");
  await run(process.execPath, [agentctl, "compile", "--config", config, "--out", out], withinMs);
}
