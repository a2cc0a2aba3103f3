import { chmod, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDarumaError } from "@daruma/base";
import { decodeFleet, type Fleet, source, type Word } from "@daruma/config";
import t, { type Test } from "tap";
import { checkSources, sourcesOf } from "./sources.ts";

function fleetOf(command: readonly Word[], environment: Record<string, Word> = {}): Fleet {
  const agents = { enricher: { command, environment } };
  const decoded = decodeFleet({ hosts: { web: { system: "x86_64-linux", agents } } });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.fleet;
}

async function problems(fleet: Fleet, configFile: string): Promise<readonly string[]> {
  try {
    await checkSources(fleet, configFile);
    return [];
  } catch (error) {
    if (!isDarumaError(error)) throw error;
    t.equal(error.code, "COMPILE_E_SOURCE");
    return error.problems.map(({ path }) => path.replace("hosts.web.agents.enricher.", ""));
  }
}

async function project(t: Test): Promise<string> {
  const root = t.testdir({
    fleet: { "fleet.config.ts": "", agent: { "main.js": "", "run.sh": "", rules: {} } },
    out: { x: "" },
  });
  await chmod(join(root, "fleet/agent/run.sh"), 0o755);
  await symlink("agent", join(root, "fleet/link"));
  await symlink("../../out/x", join(root, "fleet/agent/escape"));
  await symlink("main.js", join(root, "fleet/agent/alias"));
  await writeFile(join(root, "fleet/plain"), "");
  return join(root, "fleet/fleet.config.ts");
}

t.test("every source of a fleet is found with its place", async (t) => {
  const fleet = fleetOf([source("./agent", "run.sh"), "x", source("./agent", "main.js")], {
    A: source("./b", "c"),
  });
  t.same(
    sourcesOf(fleet).map(({ path, isProgram }) => [
      path.replace("hosts.web.agents.enricher.", ""),
      isProgram,
    ]),
    [
      ["command[0]", true],
      ["command[2]", false],
      ["environment.A", false],
    ],
  );
});

t.test("files and directories that are there pass, relative to the fleet file or absolute", async (t) => {
  const config = await project(t);
  const absolute = join(config, "../agent");
  const fleet = fleetOf(
    [source("./agent", "run.sh"), source(absolute, "main.js"), source("agent", "alias")],
    {
      RULES: source("./agent", "rules"),
    },
  );
  t.same(await problems(fleet, config), []);
});

t.test("all sources that cannot be deployed are reported together", async (t) => {
  const config = await project(t);
  const fleet = fleetOf(
    [
      source("./agent", "main.js"),
      source("./missing", "main.js"),
      source("./agent", "missing.js"),
      source("./plain", "x"),
      source("./link", "main.js"),
      source("./agent", "escape"),
      source("./agent", "main.js/deeper"),
    ],
    { OK: source("./agent", "main.js"), PARENT: source("..", "out"), SELF: source(".", "plain") },
  );
  t.same(await problems(fleet, config), [
    "command[0]",
    "command[1]",
    "command[2]",
    "command[3]",
    "command[4]",
    "command[5]",
    "command[6]",
    "environment.PARENT",
    "environment.SELF",
  ]);
});

t.test("a program has to be an executable file", async (t) => {
  const config = await project(t);
  t.same(await problems(fleetOf([source("./agent", "rules")]), config), ["command[0]"]);
  t.same(await problems(fleetOf([source("./agent", "main.js")]), config), ["command[0]"]);
  t.same(await problems(fleetOf([source("./agent", "run.sh")]), config), []);
});
