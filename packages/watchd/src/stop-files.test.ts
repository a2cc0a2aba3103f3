import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { createStopFiles } from "./stop-files.ts";

function place(t: Test): string {
  const root = mkdtempSync(join(tmpdir(), "daruma-stop-"));
  t.teardown(() => rmSync(root, { recursive: true }));
  return join(root, "state", "stopped");
}

t.test("what a person stops and starts is one empty file for each agent", async (t) => {
  const directory = place(t);
  const files = createStopFiles(directory);
  t.same([...(await files.list())], [], "there need not be a directory");
  await files.set("b", true);
  await files.set("a-1", true);
  await files.set("b", true);
  t.same([...(await files.list())].sort(), ["a-1", "b"]);
  t.same(readdirSync(directory).sort(), ["a-1", "b"]);
  t.equal(statSync(join(directory, "b")).size, 0);
  await files.set("b", false);
  t.same([...(await files.list())], ["a-1"]);
});

t.test("a start of what was never stopped is nothing", async (t) => {
  const files = createStopFiles(place(t));
  await files.set("a", false);
  t.same([...(await files.list())], []);
});

t.test("systemd, which goes by the files, can see them", async (t) => {
  const directory = place(t);
  await createStopFiles(directory).set("a", true);
  t.equal(statSync(directory).mode & 0o777, 0o755);
});

t.test("files that are no agents' are none", async (t) => {
  const directory = place(t);
  mkdirSync(directory, { recursive: true });
  for (const name of [".hidden", "Upper", "a.b", "1a"]) writeFileSync(join(directory, name), "");
  t.same([...(await createStopFiles(directory).list())], []);
});

t.test("a name that would be a path elsewhere is refused", async (t) => {
  const directory = place(t);
  for (const name of ["../escape", "", ".", "a/b", "a\0"])
    await t.rejects(createStopFiles(directory).set(name, true), { message: /not an agent's name/ });
});

t.test("a directory that cannot be used is an error by code", async (t) => {
  await t.rejects(createStopFiles("/etc/passwd").set("a", true), { code: "WATCHD_E_STATE_DIRECTORY" });
  await t.rejects(createStopFiles("/etc/passwd/x").set("a", false), { code: "WATCHD_E_STATE_DIRECTORY" });
  await t.rejects(createStopFiles("/etc/passwd").list(), { code: "ENOTDIR" });
});
