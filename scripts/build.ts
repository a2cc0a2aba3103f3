/**
 * Bundles the programs into dist/, with classic-level's native library beside them, so that a host needs Node and these files and
 * nothing else. Daemons are one file each. agentctl is many: a command is gone before Node has read what the others need.
 */
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundling, nativeName } from "./bundle/settings.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
/** Beside nothing that is kept, until all of it is there. */
const fresh = join(root, "node_modules", ".cache", `dist-${process.pid}`);

const agentctl = "packages/agentctl/src/main.ts";
const daemons = {
  watchd: "packages/watchd/src/main.ts",
  ledgerd: "packages/ledger/src/main.ts",
  egressd: "packages/egress/src/main.ts",
  metricsd: "packages/metrics/src/main.ts",
  // Runs in every walled agent's sandbox for a moment: small.
  "egress-self-test": "packages/egress/src/self-test/main.ts",
  // A thread of agentctl, which needs a file of its own.
  "verify-worker": "packages/ledger/src/verify-worker.ts",
};

function nativeLibrary(): string {
  const fromLedger = createRequire(join(root, "packages/ledger/package.json"));
  const fromLevel = createRequire(fromLedger.resolve("level"));
  const classicLevel = dirname(fromLevel.resolve("classic-level/package.json"));
  const nodeGypBuild = createRequire(join(classicLevel, "package.json"))("node-gyp-build");
  return nodeGypBuild.path(classicLevel);
}

await mkdir(fresh, { recursive: true });
for (const [name, entry] of Object.entries(daemons)) {
  await build({ ...bundling, entryPoints: [join(root, entry)], outfile: join(fresh, `${name}.mjs`) });
}
await build({
  ...bundling,
  entryPoints: { agentctl: join(root, agentctl) },
  outdir: fresh,
  outExtension: { ".js": ".mjs" },
  splitting: true,
  // All in one directory: what looks for a file beside itself finds it from any of them.
  chunkNames: "agentctl-[name]-[hash]",
});
// For agents to have in their own code, where the oldest Node that is maintained may run it.
await build({
  entryPoints: [join(root, "packages/config/src/agent/client.ts")],
  outfile: join(fresh, "agent.mjs"),
  target: "node20",
  format: "esm",
  logLevel: "warning",
});
await copyFile(nativeLibrary(), join(fresh, nativeName));
await rm(dist, { recursive: true, force: true });
await rename(fresh, dist);
