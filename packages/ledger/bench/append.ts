/** Durable appends a second, each acknowledged alone: `node packages/ledger/bench/append.ts [clients] [in flight] [seconds]`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectLedger } from "../src/index.ts";

const [clients = 64, inFlight = 32, seconds = 5] = process.argv.slice(2).map(Number);
const directory = await mkdtemp(join(tmpdir(), "daruma-bench-"));
const program = join(import.meta.dirname, "../src/main.ts");
const flags = [
  "--store",
  join(directory, "store"),
  "--sockets",
  directory,
  "--host",
  "bench",
  "--writers",
  "watchd",
];
const ledgerd = spawn(process.execPath, [program, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
await once(ledgerd.stdout, "data");

const waits: number[] = [];
const end = performance.now() + seconds * 1000;
const details = {
  cause: { kind: "signal", signal: "SIGKILL" },
  attempt: 2,
  detectMs: 12.5,
  note: "x".repeat(100),
};

async function appendInTurn(append: () => Promise<unknown>): Promise<void> {
  while (performance.now() < end) {
    const start = performance.now();
    await append();
    waits.push(performance.now() - start);
  }
}

const started = performance.now();
await Promise.all(
  Array.from({ length: clients }, async (_, client) => {
    const connection = await connectLedger({ socket: join(directory, "watchd.sock") });
    const append = () => connection.append({ action: "bench.append", subject: `client/${client}`, details });
    await Promise.all(Array.from({ length: inFlight }, () => appendInTurn(append)));
    await connection.close();
  }),
);
const took = (performance.now() - started) / 1000;
const exited = once(ledgerd, "exit");
ledgerd.kill("SIGTERM");
await exited;
await rm(directory, { recursive: true });

waits.sort((a, b) => a - b);
const at = (share: number) => (waits[Math.floor(waits.length * share)] ?? 0).toFixed(1);
console.log(`${clients} clients, ${inFlight} in flight each: ${Math.round(waits.length / took)} appends/s`);
console.log(`acknowledged after ${at(0.5)} ms (median), ${at(0.99)} ms (p99)`);
