/** Durable appends through ledgerd's socket, each acknowledged alone. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { connectLedger, type EntryDraft } from "../src/index.ts";

export interface Load {
  readonly clients: number;
  /** Appends that each client has under way at a time. */
  readonly inFlight: number;
}

export interface Rate {
  readonly perSecond: number;
  /** From the call to the acknowledgement. */
  readonly medianMs: number;
  readonly p99Ms: number;
}

const program = join(import.meta.dirname, "../src/main.ts");

/** What the entries of an agent's recovery look like: some 500 bytes as stored. */
export const details = {
  cause: { kind: "signal", signal: "SIGKILL" },
  attempt: 2,
  detectMs: 12.5,
  note: "x".repeat(100),
};

function plainDraft(client: number): EntryDraft {
  return { action: "bench.append", subject: `client/${client}`, details };
}

export interface Ledgerd {
  readonly socket: string;
  /** From the start of the process until it serves. */
  readonly readyMs: number;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

/** Starts ledgerd as a process of its own, as on a host. */
export async function startLedgerd(directory: string): Promise<Ledgerd> {
  const places = ["--store", join(directory, "store"), "--sockets", directory];
  const flags = [program, ...places, "--host", "bench", "--writers", "watchd"];
  const began = performance.now();
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const readyMs = performance.now() - began;
  const stop = async () => {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  };
  return { socket: join(directory, "watchd.sock"), readyMs, process: child, stop };
}

/** Appends for so long, or so many; `draftOf` is given which client it is, and how many are left. */
export async function measureAppends(
  socket: string,
  { clients, inFlight }: Load,
  until: { readonly seconds: number } | { readonly entries: number },
  draftOf: (client: number, left: number) => EntryDraft = plainDraft,
): Promise<Rate> {
  const waits: number[] = [];
  let left = "entries" in until ? until.entries : Number.POSITIVE_INFINITY;
  const started = performance.now();
  const end = "seconds" in until ? started + until.seconds * 1000 : Number.POSITIVE_INFINITY;
  const appendInTurn = async (append: () => Promise<unknown>) => {
    while (left > 0 && performance.now() < end) {
      left -= 1;
      const start = performance.now();
      await append();
      waits.push(performance.now() - start);
    }
  };
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const connection = await connectLedger({ socket });
      const append = () => connection.append(draftOf(client, left));
      await Promise.all(Array.from({ length: inFlight }, () => appendInTurn(append)));
      await connection.close();
    }),
  );
  return rateOf(waits, performance.now() - started);
}

export function rateOf(waits: readonly number[], tookMs: number): Rate {
  const sorted = [...waits].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { perSecond: waits.length / (tookMs / 1000), medianMs: at(0.5), p99Ms: at(0.99) };
}
