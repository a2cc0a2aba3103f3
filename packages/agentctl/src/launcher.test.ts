import { spawnSync } from "node:child_process";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { scratchDirectory } from "./test-support/agentctl.ts";

/** A repository with nothing in it but the launcher. */
async function repository(t: Test): Promise<{ root: string; launcher: string }> {
  const root = scratchDirectory(t);
  const bin = join(root, "packages", "agentctl", "bin");
  await mkdir(bin, { recursive: true });
  const launcher = join(bin, "agentctl.js");
  await copyFile(join(import.meta.dirname, "..", "bin", "agentctl.js"), launcher);
  await writeFile(join(root, "packages", "agentctl", "package.json"), '{"type":"module"}');
  return { root, launcher };
}

function launch(launcher: string, argv: readonly string[], prelude = "") {
  const env = { ...process.env, NODE_OPTIONS: prelude };
  return spawnSync(process.execPath, [launcher, ...argv], { encoding: "utf8", env });
}

/** Makes Node say that it is an old one. */
async function pretendOld(root: string): Promise<string> {
  const file = join(root, "old.cjs");
  await writeFile(
    file,
    `if (!process.env.YOUNG) Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } });`,
  );
  return `--require ${file}`;
}

t.test("without a bundle the launcher says to build one", async (t) => {
  const { launcher } = await repository(t);
  const human = launch(launcher, ["status"]);
  t.equal(human.status, 1);
  t.match(human.stderr, /CLI_E_NOT_INSTALLED: .*agentctl\.mjs is missing\nhint: Run `make build`/);
  const json = launch(launcher, ["status", "--json"]);
  t.match(JSON.parse(json.stdout), { schemaVersion: 1, error: { code: "CLI_E_NOT_INSTALLED" } });
});

t.test("with a bundle it runs the bundle, arguments and exit code and all", async (t) => {
  const { root, launcher } = await repository(t);
  await mkdir(join(root, "dist"));
  await writeFile(
    join(root, "dist", "agentctl.mjs"),
    "console.log(process.argv.slice(2)); process.exitCode = 3;",
  );
  const { status, stdout } = launch(launcher, ["a", "b c"]);
  t.equal(status, 3);
  t.equal(stdout, "[ 'a', 'b c' ]\n");
});

t.test("an old Node hands over to the repository's own, which is then first on PATH", async (t) => {
  const { root, launcher } = await repository(t);
  await mkdir(join(root, "dist"));
  await writeFile(
    join(root, "dist", "agentctl.mjs"),
    "console.log(process.argv[2], process.env.PATH.split(':')[0]); process.exitCode = 3;",
  );
  const prelude = await pretendOld(root);
  const refused = launch(launcher, ["a"], prelude);
  t.equal(refused.status, 1);
  t.match(refused.stderr, /needs Node 24 or newer; this is 20\.19\.0/);
  const bin = join(root, "node_modules", "node", "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "node"), `#!/bin/sh\nYOUNG=1 exec ${process.execPath} "$@"\n`, { mode: 0o755 });
  const { status, stdout } = launch(launcher, ["a"], prelude);
  t.equal(status, 3);
  t.equal(stdout, `a ${bin}\n`);
});
