import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { connectLedger, type Ledgerd, startLedgerd } from "@daruma/ledger";
import type { Test } from "tap";
import { socketsIn } from "../instance/layout.ts";
import { runtimeDirectoryOf } from "../instance/locate.ts";

export interface TestLedger {
  readonly socket: string;
  readonly store: string;
  append(count: number): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** A ledgerd in this process, where `agentctl` in `directory` looks for it. */
export async function serveLedger(t: Test, directory: string): Promise<TestLedger> {
  const state = join(directory, ".daruma");
  await mkdir(state, { recursive: true });
  const runtime = await runtimeDirectoryOf(state, { XDG_RUNTIME_DIR: directory });
  const { ledger: sockets, operatorLedger: socket } = socketsIn(runtime);
  const store = join(state, "ledger");
  let ledgerd: Ledgerd | null = null;
  const start = async () => {
    const fail = (error: unknown) => t.comment(`ledgerd: ${String(error)}`);
    const writers = ["watchd", "operator"];
    ledgerd = await startLedgerd({
      store,
      sockets,
      host: "h",
      writers,
      onTrouble: fail,
      onProblem: fail,
      onFatal: fail,
    });
  };
  const stop = async () => ledgerd?.stop();
  t.teardown(stop);
  await start();
  let appended = 0;
  const append = async (count: number) => {
    const connection = await connectLedger({ socket });
    for (let index = 0; index < count; index += 1) {
      appended += 1;
      await connection.append({ action: "test.entry", subject: "x", details: { n: appended } });
    }
    await connection.close();
  };
  return { socket, store, append, start, stop };
}
