/**
 * The supervisors that are measured side by side, each with its own defaults. What is not installed is fetched when the bench runs,
 * into a cache outside of the repository: PM2 from npm, supervisord and s6 as packages of the distribution, which are unpacked and
 * not installed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { Fault } from "./results.ts";
import { limitMib } from "./trials.ts";

/** A supervisor that runs `PROGRAM` (a file for Node) on `PORT` in a directory of its own. */
export interface Peer {
  readonly version: string;
  /** What it does nothing about by itself, and why. */
  readonly cannot: Readonly<Partial<Record<Exclude<Fault, "trend">, string>>>;
  /** How long it may take at most to do something about memory above a limit, with the settings that it has. */
  readonly limitWithinMs?: number;
  /** The program has been replaced by another one: what is done with this supervisor to have that run. */
  redeploy(): Promise<void>;
  stop(): Promise<void>;
}

export interface Place {
  readonly directory: string;
  readonly program: string;
  readonly port: number;
}

type Start = (place: Place) => Promise<Peer>;

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "daruma-bench");
const pm2Version = "7.0.4";
const fetchWithinMs = 180_000;
const noHealth = "it asks for no health, and sees only that a process is there";
const noVersions = "it has no earlier version, and starts the same again";

/** By name, in the order in which they are measured. Each rejects where it cannot be had, and says why. */
export const peers: readonly (readonly [string, Start])[] = [
  ["supervisord", supervisord],
  ["PM2", pm2],
  ["s6", s6],
];

async function supervisord({ directory, program, port }: Place): Promise<Peer> {
  const root = await unpacked("supervisor", ["supervisor", "python3-pkg-resources"]);
  const file = join(directory, "supervisord.conf");
  const socket = join(directory, "sock");
  await writeFile(
    file,
    [
      `[unix_http_server]\nfile=${socket}`,
      `[supervisord]\nnodaemon=true\nlogfile=${directory}/log\npidfile=${directory}/pid\nuser=root`,
      "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
      `[supervisorctl]\nserverurl=unix://${socket}`,
      `[program:echo]\ncommand=${process.execPath} ${program}\nenvironment=PORT="${port}"`,
      "",
    ].join("\n\n"),
  );
  const env = { PYTHONPATH: join(root, "usr/lib/python3/dist-packages") };
  const run = (module: string, ...args: string[]) =>
    execa("/usr/bin/python3", ["-m", module, "-c", file, ...args], { env, reject: false });
  const { stdout: version } = await execa("/usr/bin/python3", ["-m", "supervisor.supervisord", "-v"], {
    env,
  });
  const child = daemon("/usr/bin/python3", ["-m", "supervisor.supervisord", "-c", file], env);
  return {
    version: version.trim(),
    cannot: {
      hang: noHealth,
      limit: "it measures nothing; memmon of another package (superlance) does",
      deploy: noVersions,
    },
    redeploy: async () => void (await run("supervisor.supervisorctl", "restart", "echo")),
    stop: () => ended(child),
  };
}

async function pm2({ directory, program, port }: Place): Promise<Peer> {
  const prefix = join(cache, `pm2-${pm2Version}`);
  if (!existsSync(join(prefix, "node_modules", "pm2"))) {
    await mkdir(prefix, { recursive: true });
    await execa("npm", ["install", "--prefix", prefix, "--no-audit", "--no-fund", `pm2@${pm2Version}`], {
      timeout: fetchWithinMs,
    });
  }
  const run = (...args: string[]) =>
    execa(process.execPath, [join(prefix, "node_modules/pm2/bin/pm2"), ...args], {
      env: { PM2_HOME: join(directory, "pm2"), PORT: String(port) },
      cwd: directory,
    });
  await run("start", program, "--name", "echo", "--max-memory-restart", `${limitMib}M`);
  return {
    version: pm2Version,
    cannot: {
      hang: noHealth,
      deploy: "it starts the same again; a person may go back (pm2 deploy … revert)",
    },
    // It measures every 30 s (PM2_WORKER_INTERVAL).
    limitWithinMs: 45_000,
    redeploy: async () => void (await run("restart", "echo")),
    stop: async () => void (await run("kill")),
  };
}

async function s6({ directory, program, port }: Place): Promise<Peer> {
  const { stdout } = await execa("apt-cache", ["depends", "s6"]);
  const libraries = [...stdout.matchAll(/^\s+Depends: (\S+)$/gm)]
    .flatMap(([, name]) => name ?? [])
    .filter((name) => name !== "libc6");
  const root = await unpacked("s6", ["s6", ...libraries]);
  const service = join(directory, "service");
  await mkdir(service, { recursive: true });
  const script = `#!/bin/sh\nPORT=${port} exec ${process.execPath} ${program}\n`;
  await writeFile(join(service, "run"), script, { mode: 0o755 });
  const triplets = await readdir(join(root, "usr/lib"));
  const env = { LD_LIBRARY_PATH: triplets.map((name) => join(root, "usr/lib", name)).join(":") };
  const { stdout: version } = await execa("dpkg-deb", ["--field", ...(await debOf("s6")), "Version"]);
  const child = daemon(programIn(root, "s6-supervise"), [service], env);
  const control = (...args: string[]) =>
    execa(programIn(root, "s6-svc"), [...args, service], { env, reject: false });
  return {
    version: version.trim(),
    cannot: {
      hang: noHealth,
      limit:
        "it measures nothing; with s6-softlimit the kernel refuses memory, and the program has to fail of it",
      deploy: noVersions,
    },
    redeploy: async () => void (await control("-r")),
    stop: async () => {
      await control("-xd");
      await ended(child);
    },
  };
}

function programIn(root: string, name: string): string {
  const found = ["usr/bin", "bin", "command"].map((place) => join(root, place, name)).find(existsSync);
  if (found === undefined) throw new Error(`there is no ${name} in its package`);
  return found;
}

/** Packages of the distribution, unpacked beside each other. */
async function unpacked(name: string, packages: readonly string[]): Promise<string> {
  const root = join(cache, name);
  const debs = join(cache, `${name}-debs`);
  if (existsSync(join(root, "usr"))) return root;
  await mkdir(debs, { recursive: true });
  await execa("apt-get", ["download", ...packages], { cwd: debs, timeout: fetchWithinMs });
  await mkdir(root, { recursive: true });
  for (const file of await readdir(debs)) await execa("dpkg-deb", ["-x", join(debs, file), root]);
  return root;
}

async function debOf(name: string): Promise<readonly string[]> {
  const debs = join(cache, `${name}-debs`);
  return (await readdir(debs)).filter((file) => file.startsWith(`${name}_`)).map((file) => join(debs, file));
}

function daemon(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  return spawn(program, args, { env: { ...process.env, ...env }, stdio: "ignore" });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}
