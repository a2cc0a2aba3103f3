/**
 * Runs the policy core against simulated worlds: SEED is the first seed (without it, a fresh one), RUNS how many runs.
 * Exits with 1 at the first run in which something does not hold, and tells its story.
 */
import { randomInt } from "node:crypto";
import { simulate } from "../packages/watchd/src/simulation/run.ts";
import { tell } from "../packages/watchd/src/simulation/story.ts";

const seeds = 2 ** 32;

function numberFrom(name: string, otherwise: number, least: number, most: number): number {
  const text = process.env[name];
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && value >= least && value <= most) return value;
  console.error(`${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
  process.exit(2);
}

function progress(done: number, runs: number, steps: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r${done} of ${runs} runs, ${steps.toLocaleString("en")} steps`);
  if (done === runs) process.stderr.write("\n");
}

const first = numberFrom("SEED", randomInt(seeds), 0, seeds - 1);
const runs = numberFrom("RUNS", 1_000, 1, 1e9);
console.log(`seeds from ${first}, ${runs} run(s)`);

const began = performance.now();
let steps = 0;
let shown = began;
for (let run = 0; run < runs; run += 1) {
  const outcome = simulate((first + run) % seeds);
  steps += outcome.steps;
  if (outcome.failure !== null) {
    progress(run + 1, run + 1, steps);
    console.log(tell(outcome.failure));
    process.exit(1);
  }
  const now = performance.now();
  if (now - shown < 100 && run + 1 < runs) continue;
  shown = now;
  progress(run + 1, runs, steps);
}
const seconds = (performance.now() - began) / 1_000;
const rate = Math.round(steps / seconds);
console.log(
  `${steps.toLocaleString("en")} steps in ${seconds.toFixed(1)} s, ${rate.toLocaleString("en")} steps/s`,
);
