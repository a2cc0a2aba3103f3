/**
 * 10,000 routines on one host, 1,000 of them due in one second; a part of `make bench`. Bundled and run as watchd ships, since what
 * Node needs to read sources would be measured, too.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import nodeOptions from "../../../packages/agentctl/src/dev/node-options.json" with { type: "json" };
import { bundling } from "../../bundle/settings.ts";

const root = mkdtempSync(join(tmpdir(), "daruma-bench-"));
try {
  const program = join(root, "scheduler.mjs");
  await build({
    ...bundling,
    entryPoints: [join(import.meta.dirname, "scheduler.ts")],
    outfile: program,
  });
  execFileSync(process.execPath, ["--expose-gc", ...nodeOptions.watchd, program], { stdio: "inherit" });
} finally {
  rmSync(root, { recursive: true, force: true });
}
