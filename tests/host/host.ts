/**
 * A test host: real systemd as PID 1 and a real Nix, in namespaces and a cgroup of its own, on a disk that can be thrown away.
 * Everything it is made of ends with this process, however that ends.
 */
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { discardLeftovers } from "./leftovers.ts";
import { Machine, type MachineOptions } from "./machine.ts";

export interface ExecOptions {
  /** Standard input. */
  readonly input?: string | Uint8Array;
  /** Default: a minute. A command that takes longer is killed, and that is an error. */
  readonly timeoutMs?: number;
  /** Added to PATH and HOME. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line for bash, or a program and its arguments. */
export type Command = string | readonly string[];

export interface Host {
  /** Its host name. */
  readonly name: string;
  /** Runs a command as root, outside every unit. */
  exec(command: Command, options?: ExecOptions): Promise<ExecResult>;
  /** The same, and any exit code but 0 is an error. Resolves with stdout. */
  succeed(command: Command, options?: ExecOptions): Promise<string>;
  /** Runs the command again and again until it succeeds; resolves with stdout. Default bound: a minute. */
  waitUntilSucceeds(command: Command, options?: { readonly withinMs?: number }): Promise<string>;
  /** Replaces the file, with its directories. */
  writeFile(path: string, content: string | Uint8Array, mode?: number): Promise<void>;
  readFile(path: string): Promise<string>;
  /** Copies what is in a directory of this machine into one of the host. Owners become root. */
  copyIn(source: string, destination: string): Promise<void>;
  /** The journal of every boot, oldest first; also of a host that is off. */
  journal(): Promise<string>;
  /** Shuts down in order, and stays off until it is reset. */
  shutDown(): Promise<void>;
  /** Shuts down in order and boots what the boot loader says. */
  reboot(): Promise<void>;
  /** Kills everything at once and boots what the boot loader says. */
  cutPower(): Promise<void>;
  /** A new host in the place of this one, as it was at first. */
  reset(): Promise<void>;
  /** Ends the host and takes everything away. Idempotent. */
  stop(): Promise<void>;
  /** Commands that ran since the last reset, with what they said: for a person who looks for the reason of a failure. */
  transcript(): string;
  /** Where the disk is in this machine's view, also while the host is off; links in it are the host's. */
  disk(): string;
  /** A path of the host that runs in this machine's view: its sockets can be talked to from here. */
  path(path: string): string;
}

export interface HostOptions extends Partial<MachineOptions> {}

const environment = {
  PATH: "/run/current-system/sw/bin:/usr/sbin:/usr/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
};
const defaultTimeoutMs = 60_000;
const keptTranscript = 1 << 20;

/** Boots a host with one empty generation. Root on Linux only; see `whyNoHost`. */
export async function bootHost(options: HostOptions = {}): Promise<Host> {
  await discardLeftovers();
  const complete = { hostname: "test-host", storage: "memory", ...options } as const;
  const host = hostOn(complete.hostname, new Machine(complete));
  try {
    await host.reset();
  } catch (error) {
    await host.stop();
    throw error;
  }
  return host;
}

function hostOn(name: string, machine: Machine): Host {
  let transcript = "";
  const exec = async (
    command: Command,
    { input, timeoutMs = defaultTimeoutMs, ...rest }: ExecOptions = {},
  ) => {
    const answer = await machine.run({
      argv: typeof command === "string" ? ["bash", "-c", command] : command,
      environment: { ...environment, ...rest.environment },
      input: input ?? "",
      seconds: timeoutMs / 1000,
    });
    const { stdout, stderr, exitCode } = answer;
    transcript = `${transcript}$ ${described(command)}\n${stdout}${stderr}[${exitCode}]\n`.slice(
      -keptTranscript,
    );
    if (answer.isLate) throw new Error(`did not end within ${timeoutMs} ms: ${described(command)}`);
    return { exitCode, stdout, stderr };
  };
  const succeed = async (command: Command, options?: ExecOptions) => {
    const { exitCode, stdout, stderr } = await exec(command, options);
    if (exitCode === 0) return stdout;
    throw new Error(`exit ${exitCode} from ${described(command)}\n${stdout}${stderr}`);
  };
  const up = async () => {
    await machine.boot();
    await exec(["systemctl", "is-system-running", "--wait"]);
  };
  const shutDown = async () => {
    await exec(["systemctl", "poweroff"]);
    await machine.off();
  };
  return {
    name,
    exec,
    succeed,
    async waitUntilSucceeds(command, { withinMs = defaultTimeoutMs } = {}) {
      const begun = performance.now();
      while (true) {
        const { exitCode, stdout, stderr } = await exec(command);
        if (exitCode === 0) return stdout;
        if (performance.now() > begun + withinMs)
          throw new Error(
            `exit ${exitCode} for ${withinMs} ms from ${described(command)}\n${stdout}${stderr}`,
          );
        await delay(pauseMs(performance.now() - begun));
      }
    },
    async writeFile(path, content, mode = 0o644) {
      const write =
        'mkdir -p "$(dirname "$1")" && cat >"$1.new" && chmod "$2" "$1.new" && mv -T "$1.new" "$1"';
      await succeed(["sh", "-c", write, "sh", path, mode.toString(8)], { input: content });
    },
    readFile: (path) => succeed(["cat", path]),
    async copyIn(source, destination) {
      const pack = ["--directory", source, "--owner=0", "--group=0", "--create", "."];
      const { stdout } = await execa("tar", pack, { encoding: "buffer" });
      await succeed(["mkdir", "-p", destination]);
      await succeed(["tar", "--directory", destination, "--extract"], { input: stdout });
    },
    async journal() {
      const directory = `${machine.disk()}/var/log/journal`;
      const options = ["--directory", directory, "--no-pager", "--output=short-precise", "--quiet"];
      return (await execa("journalctl", options, { reject: false })).stdout;
    },
    shutDown,
    async reboot() {
      await shutDown();
      await up();
    },
    async cutPower() {
      await machine.powerOff();
      await up();
    },
    async reset() {
      await machine.create();
      transcript = "";
      await up();
    },
    stop: () => machine.destroy(),
    transcript: () => transcript,
    disk: () => machine.disk(),
    path: (path) => machine.path(path),
  };
}

/** How long to wait before a host is asked once more, by how long it has been asked: a long wait is to cost little. */
export function pauseMs(waitedMs: number): number {
  return Math.min(500, Math.max(50, waitedMs / 8));
}

function described(command: Command): string {
  return typeof command === "string" ? command : command.join(" ");
}
