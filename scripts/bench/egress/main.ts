/**
 * What a connection through egressd costs, beside squid and tinyproxy in the same run, all on the loopback address, and beside no
 * proxy at all: `node scripts/bench/egress/main.ts [--json] [--rounds N]`. The median of the rounds counts, which take turns, so
 * that what else this machine does falls on all of them. Nothing passes or fails by it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { percentile } from "../figures.ts";
import { connectTimes, dropRate, open, requestRate, tunnelRate, tunnels } from "./load.ts";
import type { OriginPorts } from "./origin.ts";
import { type Peer, peers } from "./peers.ts";

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, rounds: { type: "string", default: "3" } },
});
const rounds = Number(values.rounds);

const connects = 300;
const clients = 64;
const requestMs = 1_500;
const tunnelBytes = 256e6;
const idleTunnels = 1_000;
const drops = 10_000;

interface Memory {
  readonly fresh: number;
  readonly withTunnels: number;
  /** After all else that is measured. */
  readonly after: number;
}

interface Figures {
  readonly name: string;
  /** Null where it is not installed. */
  readonly figures: {
    readonly connectMs: { readonly p50: number; readonly p99: number };
    readonly requestsPerSecond: number;
    readonly tunnelMbPerSecond: number;
    readonly memoryMib: Memory | null;
    readonly dropsPerSecond: number | null;
  } | null;
}

/** No proxy at all. */
const direct: Peer = { name: "direct", port: 0, privateMib: async () => 0, stop: async () => undefined };

const directory = await mkdtemp(join(tmpdir(), "daruma-bench-"));
const origin = spawn(process.execPath, [join(import.meta.dirname, "origin.ts")], {
  stdio: ["pipe", "pipe", "inherit"],
});
const running: Peer[] = [];
try {
  const ports = JSON.parse(String((await once(origin.stdout, "data"))[0])) as OriginPorts;
  running.push(direct);
  const missing: string[] = [];
  for (const [name, start] of peers()) {
    if (start === null) {
      missing.push(name);
      continue;
    }
    const own = join(directory, name);
    await mkdir(own);
    running.push(await start(own, ports));
  }
  const measured = await measure(running, ports);
  const all: Figures[] = [...measured, ...missing.map((name) => ({ name, figures: null }))];
  if (values.json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, rounds, peers: all })}\n`);
  else print(all);
} finally {
  for (const peer of running) await peer.stop();
  origin.kill();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

async function measure(all: readonly Peer[], ports: OriginPorts): Promise<readonly Figures[]> {
  const route = (peer: Peer, target: number) => ({ proxy: peer === direct ? null : peer.port, target });
  const idle = new Map<string, Omit<Memory, "after">>();
  for (const peer of all)
    if (peer !== direct) idle.set(peer.name, await idleMemory(peer, route(peer, ports.echo)));
  const taken = all.map(() => ({ connects: [] as number[], requests: [] as number[], mb: [] as number[] }));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, peer] of all.entries()) {
      const times = await connectTimes(route(peer, ports.echo), connects);
      const requests = await requestRate(route(peer, ports.http), clients, requestMs);
      const mb = await tunnelRate(route(peer, ports.source), tunnelBytes);
      // The first one is to warm up.
      if (round === 0) continue;
      taken[index]?.connects.push(...times);
      taken[index]?.requests.push(requests);
      taken[index]?.mb.push(mb);
    }
  }
  const figures: Figures[] = [];
  for (const [index, peer] of all.entries()) {
    const { connects: ms = [], requests = [], mb = [] } = taken[index] ?? {};
    const dropsPerSecond = peer === direct ? null : await dropRate(route(peer, ports.echo), drops);
    await settled(() => open(route(peer, ports.echo)));
    const memory = idle.get(peer.name);
    figures.push({
      name: peer.name,
      figures: {
        connectMs: { p50: percentile(ms, 0.5), p99: percentile(ms, 0.99) },
        requestsPerSecond: percentile(requests, 0.5),
        tunnelMbPerSecond: percentile(mb, 0.5),
        memoryMib: memory === undefined ? null : { ...memory, after: await peer.privateMib() },
        dropsPerSecond,
      },
    });
  }
  return figures;
}

async function idleMemory(peer: Peer, route: Parameters<typeof open>[0]): Promise<Omit<Memory, "after">> {
  const fresh = await peer.privateMib();
  const sockets = await tunnels(route, idleTunnels);
  const withTunnels = await peer.privateMib();
  for (const socket of sockets) socket.destroy();
  return { fresh, withTunnels };
}

/** Waits until it serves again: what was dropped may still be in its way. */
async function settled(serves: () => Promise<{ destroy(): void }>): Promise<void> {
  for (;;) {
    const socket = await serves().catch(() => null);
    socket?.destroy();
    if (socket !== null) return;
    await sleep(50);
  }
}

function print(all: readonly Figures[]): void {
  const base = all.find(({ name }) => name === direct.name)?.figures?.connectMs.p50 ?? 0;
  const columns = [
    "",
    "connect p50",
    "p99",
    "added p50",
    "requests/s",
    "tunnel",
    "fresh",
    "1000 tunnels",
    "dropped",
    "in the end",
  ];
  const rows = all.map(({ name, figures }) => {
    if (figures === null) return [name, "not installed"];
    const { connectMs, requestsPerSecond, tunnelMbPerSecond, memoryMib, dropsPerSecond } = figures;
    const mib = (value: number | undefined) => (value === undefined ? "-" : `${value.toFixed(1)} MiB`);
    return [
      name,
      `${connectMs.p50.toFixed(2)} ms`,
      `${connectMs.p99.toFixed(2)} ms`,
      memoryMib === null ? "-" : `${(connectMs.p50 - base).toFixed(2)} ms`,
      requestsPerSecond.toFixed(0),
      `${tunnelMbPerSecond.toFixed(0)} MB/s`,
      mib(memoryMib?.fresh),
      mib(memoryMib?.withTunnels),
      dropsPerSecond === null ? "-" : `${dropsPerSecond.toFixed(0)}/s`,
      mib(memoryMib?.after),
    ];
  });
  const widths = columns.map((_, at) => Math.max(...[columns, ...rows].map((row) => row[at]?.length ?? 0)));
  const lines = [columns, ...rows].map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  "),
  );
  process.stdout.write(
    `egress: ${cpus().length} cores, Node ${process.version}, ${rounds} rounds, all on loopback\n\n${lines.join("\n")}\n`,
  );
  process.stdout.write(
    "Memory is private to the processes: fresh, with 1,000 idle tunnels, and after all this and 10,000 connections opened and dropped.\n",
  );
}
