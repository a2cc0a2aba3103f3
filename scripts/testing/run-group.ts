/** One process of tests, from its start to what it found. */
import { join } from "node:path";
import { execa } from "execa";
import { Parser, type Result } from "tap-parser";
import type { Group } from "./plan.ts";
import { scratchInMemory } from "./scratch.ts";

export interface GroupReport {
  readonly group: Group;
  readonly results: readonly Result[];
  /** Why the process did not end as it should, whatever its results say. */
  readonly broken: string | null;
  readonly seconds: number;
}

/** A file may take this long; scenarios on a test host set their own bound. */
const secondsPerFile = 120;
const entry = join(import.meta.dirname, "group.ts");
const scratch = scratchInMemory();
/** What a test host is made of is large, and its disk is a part of what it shows. */
const needsDisk = /^tests\/host\//;

export async function runGroup(group: Group): Promise<GroupReport> {
  const begun = performance.now();
  const { stdout, exitCode, signal } = await execa(
    process.execPath,
    [...group.nodeOptions, entry, group.name.replace(/ .*/, "")],
    {
      stdin: "ignore",
      stderr: "inherit",
      reject: false,
      maxBuffer: 1024 * 1024 * 1024,
      env: {
        TEST_FILES: JSON.stringify(group.files),
        ...(scratch === null || group.files.some((file) => needsDisk.test(file)) ? {} : { TMPDIR: scratch }),
        TAP_TIMEOUT: String(secondsPerFile * group.files.length),
      },
    },
  );
  const results = Parser.parse(stdout, { flat: true }).flatMap(([kind, result]) =>
    kind === "assert" ? [result as Result] : [],
  );
  const failed = results.some((result) => !result.ok && result.skip === false && result.todo === false);
  const broken =
    results.length === 0
      ? "no test ran"
      : exitCode !== 0 && !failed
        ? `ended with ${exitCode ?? signal} though no test failed`
        : null;
  return { group, results, broken, seconds: (performance.now() - begun) / 1000 };
}
