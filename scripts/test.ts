/**
 * Runs the tests with tap and says at the end how many passed, failed and were skipped. Every skip is named with its
 * reason. With DARUMA_STRICT_SKIPS=1 (in CI) a skip that tests/allowed-skips.txt does not list is a failure.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { Parser } from "tap-parser";

const directory = await mkdtemp(join(tmpdir(), "daruma-test-"));
const output = join(directory, "results.tap");
const files = process.argv.slice(2);

try {
  const reporter = process.stdout.isTTY ? "base" : "terse";
  const run = await execa(
    "tap",
    ["--disable-coverage", `--reporter=${reporter}`, `--output-file=${output}`, ...files],
    {
      stdio: "inherit",
      reject: false,
    },
  );
  process.exitCode = report(await readFile(output, "utf8"), await allowedSkips(), run.exitCode ?? 1);
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function allowedSkips(): Promise<readonly string[]> {
  const text = await readFile("tests/allowed-skips.txt", "utf8");
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

function report(tap: string, allowed: readonly string[], tapExit: number): number {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const surprises: string[] = [];
  for (const [kind, result] of Parser.parse(tap, { flat: true })) {
    if (kind !== "assert") continue;
    if (result.skip !== false) {
      count.skipped += 1;
      process.stdout.write(`skipped: ${result.fullname} > ${result.name} (${String(result.skip)})\n`);
      if (!allowed.some((part) => `${result.fullname} > ${result.name}`.includes(part)))
        surprises.push(result.name);
    } else if (result.ok) count.passed += 1;
    else count.failed += 1;
  }
  const strict = process.env.DARUMA_STRICT_SKIPS === "1" && surprises.length > 0;
  if (strict) process.stdout.write(`not allowed to skip here: ${surprises.join(", ")}\n`);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
  if (count.passed === 0) return 1;
  return tapExit !== 0 || count.failed > 0 || strict ? 1 : 0;
}
