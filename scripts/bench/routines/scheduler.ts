/** What main.ts measures: a scheduler as watchd has it, with its journal on a disk; runs and ledger answer at once. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { RoutineManifest } from "@daruma/config";
import { createClock } from "../../../packages/watchd/src/clock.ts";
import { plainRoutine } from "../../../packages/watchd/src/routines/fixtures/plain.ts";
import { openRoutines } from "../../../packages/watchd/src/routines/runtime.ts";
import type { RoutineExit, RoutineServices } from "../../../packages/watchd/src/routines/services.ts";
import { percentile } from "../figures.ts";

const count = 10_000;
const atOnce = 1_000;
const idleMs = 20_000;

const root = mkdtempSync(join(tmpdir(), "daruma-bench-"));
const lateness: number[] = [];
/** Runs that could not be started, as the ledger is told: they count against us, and are not to look like lost ones. */
let failed = 0;
let tell: (exit: RoutineExit) => void = () => undefined;

const services: RoutineServices = {
  list: async () => [],
  start: async ({ routine, run, attempt }) => {
    setImmediate(() => tell({ routine, run, attempt, cause: { kind: "exit", code: 0 } }));
  },
  stop: async () => undefined,
  onExit: (listener) => {
    tell = listener;
  },
  memory: async () => new Map(),
  settled: async () => undefined,
  keep: async () => undefined,
  journalOf: () => null,
  close: async () => undefined,
};

const routines = openRoutines({
  services,
  stateDir: join(root, "state"),
  runtimeDir: join(root, "run"),
  isolation: "one",
  journalDir: join(root, "state", "watchd", "routines"),
  clock: createClock(),
  connectLedger: async () => ({ append: async () => undefined, close: async () => undefined }),
  ledgerSocket: join(root, "none.sock"),
  log: () => undefined,
  onRecords: (records) => {
    for (const { action, details } of records) {
      if (action === "routine.started") lateness.push(Number(details.latenessMs));
      else if (action === "routine.finished" && details.outcome === "failed") failed += 1;
    }
  },
  onFatal: (error) => {
    throw error;
  },
});

/** Due once a day, spread over all seconds of it but the next minutes. */
function daily(index: number): string {
  const at = new Date(Date.now() + 600_000 + ((index * 7_919) % 84_000) * 1_000);
  return `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} * * *`;
}

function dueAt(time: Date): string {
  return `${time.getUTCSeconds()} ${time.getUTCMinutes()} ${time.getUTCHours()} * * *`;
}

function fleet(due: string | null): Record<string, RoutineManifest> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => {
      const expression = due !== null && index < atOnce ? due : daily(index);
      return [`r${index}`, { ...structuredClone(plainRoutine), schedule: { expression, timezone: "UTC" } }];
    }),
  );
}

/** Bytes that are this process's own. The program itself, which all daemons of a host share, is not among them. */
function ownBytes(): number {
  const text = readFileSync("/proc/self/smaps_rollup", "utf8");
  return Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(text)?.[1] ?? Number.NaN) * 1_024;
}

async function deploy(number: number, declared: Record<string, RoutineManifest>): Promise<void> {
  const manifest = {
    schemaVersion: 1,
    host: "bench",
    system: "x86_64-linux",
    hostDigest: "",
    watchdog: { probationMs: 0, rollbackBudget: 0 },
    agents: {},
    routines: declared,
  } as const;
  await routines.follow({ number, path: String(number), manifest });
}

try {
  globalThis.gc?.();
  const before = process.memoryUsage();
  const ownBefore = ownBytes();
  const begun = performance.now();
  await deploy(1, fleet(null));
  const declaredMs = performance.now() - begun;
  await delay(2_000);
  const cpu = process.cpuUsage();
  await delay(idleMs);
  const idle = process.cpuUsage(cpu);
  const share = (idle.user + idle.system) / 1_000 / idleMs;
  globalThis.gc?.();
  const after = process.memoryUsage();
  const own = ownBytes();
  // Not before they are all known: what is due meanwhile waits for that.
  await deploy(2, fleet(dueAt(new Date(Date.now() + 2 * declaredMs + 10_000))));
  const deadline = performance.now() + 60_000;
  while (lateness.length + failed < atOnce && performance.now() < deadline) await delay(50);
  const sorted = lateness.toSorted((a, b) => a - b);
  const mb = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  process.stdout.write(
    [
      `${count} routines, ${atOnce} of them due in one second: ${sorted.length} started, ${failed} failed to start`,
      `  lateness of a start    p50 ${percentile(sorted, 0.5)} ms, p99 ${percentile(sorted, 0.99)} ms, most ${sorted.at(-1)} ms`,
      `  idle                   ${(share * 100).toFixed(2)} % of a core`,
      `  memory                 ${mb(after.heapUsed - before.heapUsed)} MB of heap more than without; ${mb(own)} MB private, ${mb(ownBefore)} without; ${mb(after.rss)} MB resident`,
      `  a deploy of them all   ${declaredMs.toFixed(0)} ms`,
      "",
    ].join("\n"),
  );
} finally {
  await routines.close();
  rmSync(root, { recursive: true, force: true });
}
