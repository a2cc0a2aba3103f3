import { outliveOutput } from "@daruma/base";
import { readVerifier } from "./trust-files.ts";
import { parseWitnessOptions } from "./witness-options.ts";
import { startWitness, type Witness } from "./witness-server.ts";

/** `ledgerd witness`: cosigns the checkpoints of other hosts' ledgers. Says `{"ready":true,…}` once it serves. */
export async function witnessMain(argv: readonly string[], report: (error: unknown) => void): Promise<void> {
  outliveOutput();
  const options = parseWitnessOptions(argv);
  let witness: Witness | null = null;
  let stopping = false;
  const stop = () => {
    stopping = true;
    witness?.stop().then(() => process.exit(), report);
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  const logs = await Promise.all(options.logs.map(readVerifier));
  witness = await startWitness({ ...options, logs, onProblem: report });
  if (stopping) return stop();
  const { url, key } = witness;
  process.stdout.write(
    `${JSON.stringify({ ready: true, schemaVersion: 1, pid: process.pid, url, key, logs: logs.map(({ name }) => name) })}\n`,
  );
}
