/**
 * Runs the tests with tap: one line a file as it ends, then every failure with its diagnosis, every skip with its reason,
 * and the count. With DARUMA_STRICT_SKIPS=1 (in CI) a skip that tests/allowed-skips.txt does not list is a failure.
 */
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { inspect } from "node:util";
import { execa } from "execa";
import { Parser } from "tap-parser";

const files = process.argv.slice(2);
const run = execa("tap", ["--disable-coverage", "--reporter=tap", ...files], {
  stdin: "ignore",
  stderr: "inherit",
  reject: false,
  maxBuffer: 1024 * 1024 * 1024,
});
for await (const line of createInterface({ input: run.stdout })) {
  if (/^(not )?ok /.test(line)) process.stdout.write(`${line}\n`);
}
const { stdout, exitCode } = await run;
process.exitCode = report(stdout, await allowedSkips(), exitCode ?? 1);

async function allowedSkips(): Promise<readonly string[]> {
  const text = await readFile("tests/allowed-skips.txt", "utf8");
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

function report(tap: string, allowed: readonly string[], tapExit: number): number {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const surprises: string[] = [];
  for (const [kind, result] of Parser.parse(tap, { flat: true })) {
    if (kind !== "assert") continue;
    const name = result.fullname;
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
  const strict = process.env.DARUMA_STRICT_SKIPS === "1" && surprises.length > 0;
  if (strict) process.stdout.write(`may not be skipped here: ${surprises.join("; ")}\n`);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
  return tapExit !== 0 || count.failed > 0 || count.passed === 0 || strict ? 1 : 0;
}
