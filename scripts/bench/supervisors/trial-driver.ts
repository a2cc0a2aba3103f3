/**
 * Runs on the test host, beside trials.ts: does the same to a program again and again. Prints a JSON array of trials. With `deploy` it
 * only looks on, and waits for what somebody else deploys once the program has come to rest.
 *
 *     node trial-driver.ts crash|hang|limit|trend|deploy PORT RUNS PATIENCE_MS
 */
import { badDeploy, crash, hang, leak, type Trial } from "./trials.ts";

const [fault = "", portText, runs, patience] = process.argv.slice(2);
const [port, patienceMs] = [Number(portText), Number(patience)];
const once: Readonly<Record<string, () => Promise<Trial>>> = {
  crash: () => crash(port, patienceMs),
  hang: () => hang(port, patienceMs),
  limit: () => leak(port, patienceMs, "limit"),
  trend: () => leak(port, patienceMs, "begin"),
  deploy: () => badDeploy(port, patienceMs, async () => undefined),
};
const trial = once[fault];
if (trial === undefined) throw new Error(`there is no fault ${fault}`);
const trials: Trial[] = [];
for (let run = 0; run < Number(runs); run += 1) trials.push(await trial());
process.stdout.write(JSON.stringify(trials));
