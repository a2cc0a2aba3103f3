/** The proxies that are measured side by side: egressd as it is shipped, and what of others is installed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, manifestOf } from "../../../packages/egress/src/fixtures/lab.ts";
import type { OriginPorts } from "./origin.ts";

const dist = join(import.meta.dirname, "..", "..", "..", "dist");
const readyWithinMs = 30_000;
const connections = 4_096;

export interface Peer {
  readonly name: string;
  readonly port: number;
  /** Private memory of all its processes, in MiB (proc_pid_smaps_rollup). */
  privateMib(): Promise<number>;
  stop(): Promise<void>;
}

type Start = (directory: string, origin: OriginPorts) => Promise<Peer>;

/** By name; null for one that is not installed. */
export function peers(): readonly (readonly [string, Start | null])[] {
  return [
    ["egressd", egressd],
    ["squid", isInstalled("squid") ? squid : null],
    ["tinyproxy", isInstalled("tinyproxy") ? tinyproxy : null],
  ];
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ["-v"], { stdio: "ignore" }).error === undefined;
}

async function egressd(directory: string, origin: OriginPorts): Promise<Peer> {
  const port = await freePort();
  const sockets = join(directory, "ledger");
  const manifest = join(directory, "host.json");
  const egress = Object.values(origin).map((each) => ({ cidr: "127.0.0.1/32", port: each }));
  const agents = { bench: { egress, limits: { connections } } };
  await writeFile(manifest, JSON.stringify(manifestOf(agents, new Map([["bench", port]]))));
  const writers = ["--writers", "watchd,operator,egressd", "--host", "bench"];
  const ledgerd = node("ledgerd.mjs", [
    "--store",
    join(directory, "store"),
    "--sockets",
    sockets,
    ...writers,
  ]);
  await once(ledgerd.stdout ?? ledgerd, "data");
  const socket = join(directory, "egressd.sock");
  const args = ["--manifest", manifest, "--ledger", join(sockets, "egressd.sock"), "--socket", socket];
  const child = node("egressd.mjs", args);
  return peer("egressd", port, child, async () => {
    await stop(child);
    await stop(ledgerd);
  });
}

async function squid(directory: string): Promise<Peer> {
  const port = await freePort();
  const file = join(directory, "squid.conf");
  await mkdir(join(directory, "core"), { recursive: true });
  await writeFile(
    file,
    [
      `http_port 127.0.0.1:${port}`,
      "http_access allow all",
      "cache deny all",
      "cache_mem 0 MB",
      "access_log none",
      "cache_log /dev/null",
      "cache_store_log none",
      "pid_filename none",
      "shutdown_lifetime 0 seconds",
      "max_filedescriptors 16384",
      `coredump_dir ${join(directory, "core")}`,
      "visible_hostname bench",
      "",
    ].join("\n"),
  );
  return peer("squid", port, spawn("squid", ["-N", "-f", file], { stdio: "ignore" }));
}

async function tinyproxy(directory: string): Promise<Peer> {
  const port = await freePort();
  const file = join(directory, "tinyproxy.conf");
  const lines = [`Port ${port}`, "Listen 127.0.0.1", "Timeout 600", `MaxClients ${connections}`];
  await writeFile(file, [...lines, "Allow 127.0.0.1", "LogLevel Critical", ""].join("\n"));
  return peer("tinyproxy", port, spawn("tinyproxy", ["-d", "-c", file], { stdio: "ignore" }));
}

function node(program: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(dist, program), ...args], { stdio: ["ignore", "pipe", "ignore"] });
}

async function peer(
  name: string,
  port: number,
  child: ChildProcess,
  end: () => Promise<void> = () => stop(child),
): Promise<Peer> {
  const deadline = performance.now() + readyWithinMs;
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await end();
      throw new Error(`${name} does not serve`);
    }
    await sleep(50);
  }
  return { name, port, privateMib: () => privateMib(child.pid ?? 0), stop: end };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
}

async function privateMib(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(text)?.[1]);
  const own = (kib("Private_Clean") + kib("Private_Dirty")) / 1024;
  const children = await Promise.all((await childrenOf(pid)).map(privateMib));
  return children.reduce((sum, each) => sum + each, own);
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, "utf8"));
  return (await Promise.all(lists)).flatMap((list) => list.trim().split(" ").filter(Boolean).map(Number));
}
