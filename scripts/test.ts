/**
 * Runs the tests: one line a process as it ends, then every failure with its diagnosis, every skip with its reason, and the
 * count. With DARUMA_STRICT_SKIPS=1 (in CI) a skip that tests/allowed-skips.txt does not list is a failure.
 *   node scripts/test.ts [FILE…]
 * The tests themselves are tap's. Its own runner is not used, since it starts a process with four loaders for each file and
 * puts itself into every Node process that a test starts.
 */
import { glob, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { inspect } from "node:util";
import { execa } from "execa";
import { type Group, plan } from "./testing/plan.ts";
import { type GroupReport, runGroup } from "./testing/run-group.ts";

const everywhere = [
  "packages/*/src/**/*.test.ts",
  "examples/*/tests/*.test.ts",
  "scripts/**/*.test.ts",
  "tests/nix/*.test.ts",
  "tests/host/*.test.ts",
];

// Tests start the programs as they are shipped; what they start has to be made of today's sources.
await execa("make", ["--silent", "build"], { stdio: "inherit" });
const files = process.argv.slice(2);
if (files.length === 0) for await (const file of glob(everywhere)) files.push(file);
const reports = await runAll(await plan(files));
process.exitCode = report(reports, await allowedSkips());

async function runAll(groups: readonly Group[]): Promise<GroupReport[]> {
  const waiting = [...groups];
  const done: GroupReport[] = [];
  const work = async () => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      const result = await runGroup(group);
      done.push(result);
      const well = result.broken === null && result.results.every(({ ok }) => ok);
      process.stdout.write(`${well ? "ok" : "not ok"} ${group.name} # ${result.seconds.toFixed(1)} s\n`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, work));
  return done;
}

async function allowedSkips(): Promise<readonly string[]> {
  const text = await readFile("tests/allowed-skips.txt", "utf8");
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

function report(all: readonly GroupReport[], allowed: readonly string[]): number {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const surprises: string[] = [];
  for (const { group, results, broken } of all) {
    for (const result of results) {
      const name = `${group.name} > ${result.fullname.replace(/^TAP > /, "")}`;
      if (result.skip !== false) {
        count.skipped += 1;
        process.stdout.write(`skipped: ${name} (${String(result.skip)})\n`);
        if (!allowed.some((part) => name.includes(part))) surprises.push(name);
      } else if (result.ok) {
        count.passed += 1;
      } else {
        count.failed += 1;
        process.stdout.write(`failed: ${name}\n${inspect(result.diag, { depth: 6 })}\n`);
      }
    }
    if (broken === null) continue;
    count.failed += 1;
    process.stdout.write(`failed: ${group.name}: ${broken}\n`);
  }
  const strict = process.env.DARUMA_STRICT_SKIPS === "1" && surprises.length > 0;
  if (strict) process.stdout.write(`may not be skipped here: ${surprises.join("; ")}\n`);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
  return count.failed > 0 || count.passed === 0 || strict ? 1 : 0;
}
