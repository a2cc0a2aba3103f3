#!/usr/bin/env node
// Plain JavaScript for any Node: finds the bundle that `make build` made, and a Node that is new enough for it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const oldestNode = 24;
const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const bundle = join(root, "dist", "agentctl.mjs");

if (!existsSync(bundle)) {
  fail(`${bundle} is missing`, "Run `make build`.");
} else if (Number.parseInt(process.versions.node, 10) >= oldestNode) {
  const { enableCompileCache } = await import("node:module");
  enableCompileCache();
  await import(bundle);
} else {
  const node = join(root, "node_modules", "node", "bin", "node");
  if (existsSync(node)) runWith(node);
  else {
    const message = `agentctl needs Node ${oldestNode} or newer; this is ${process.versions.node}`;
    fail(message, "Install it, or run `make build`, which brings one along.");
  }
}

/** @param {string} node */
function runWith(node) {
  // First on PATH as well, so that `node` in a fleet means the Node that runs the fleet.
  const PATH = [dirname(node), process.env.PATH].filter(Boolean).join(delimiter);
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, PATH },
  });
  // The child decides when to end. From a terminal it gets a Ctrl-C twice, and takes both for one.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`cannot run ${node}: ${error.message}`, "Run `npm ci`."));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

/**
 * @param {string} message
 * @param {string} hint
 */
function fail(message, hint) {
  if (process.argv.includes("--json")) {
    const error = { code: "CLI_E_NOT_INSTALLED", message, hint };
    process.stdout.write(`${JSON.stringify({ schemaVersion: 1, error })}\n`);
  }
  process.stderr.write(`error CLI_E_NOT_INSTALLED: ${message}\nhint: ${hint}\n`);
  process.exitCode = 1;
}
