import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { documents } from "../test-support/agentctl.ts";
import { createFleet } from "../test-support/fleet.ts";

t.test("compile writes, says what it wrote, and --check tells stale from current", async (t) => {
  const fleet = await createFleet(t);
  const stale = await fleet.run("compile", "--check", "--json");
  t.equal(stale.code, 1);
  t.match(documents(stale.stdout), [
    {
      error: { code: "COMPILE_E_STALE", problems: [{ path: "test-01/default.nix", message: "is missing" }] },
    },
  ]);
  const first = await fleet.run("compile");
  t.match(first, { code: 0, stdout: "wrote generated/test-01/default.nix\n" });
  const text = await readFile(join(fleet.directory, "generated", "test-01", "default.nix"), "utf8");
  const again = await fleet.run("compile", "--json");
  t.match(documents(again.stdout), [{ schemaVersion: 1, written: [], removed: [], unchanged: 1 }]);
  t.equal(await readFile(join(fleet.directory, "generated", "test-01", "default.nix"), "utf8"), text);
  t.match(documents((await fleet.run("compile", "--check", "--json")).stdout), [
    { schemaVersion: 1, current: ["test-01/default.nix"] },
  ]);
});

t.test("compile tells every problem of a fleet with its path", async (t) => {
  const fleet = await createFleet(t);
  await fleet.writeConfig({ agent: 'startup: "-1s", heartbeats: 1,' });
  const { code, stderr } = await fleet.run("compile", "--out", "elsewhere");
  t.equal(code, 1);
  t.match(stderr, /^error CONFIG_E_INVALID: /);
  t.match(stderr, /hosts.*test-01.*agents\.web\.startup/);
  t.match(stderr, /hosts.*test-01.*agents\.web\.heartbeats/);
});

t.test("what a fleet file prints does not get into the document", async (t) => {
  const fleet = await createFleet(t);
  const good = await readFile(fleet.config, "utf8");
  await writeFile(fleet.config, `console.log("hello from the fleet");\n${good}`);
  const { stdout, stderr } = await fleet.run("compile", "--json");
  t.equal(documents(stdout).length, 1);
  t.match(stderr, "hello from the fleet");
});
