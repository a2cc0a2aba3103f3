import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { generatedMark } from "./compile.ts";
import { checkGenerated, staleError, writeGenerated } from "./generated.ts";
import { asPlainUser } from "./plain-user.ts";

const text = (note: string) => `${generatedMark}fleet.config.ts.\n{ }: { note = "${note}"; }\n`;
const files = new Map([
  ["db/default.nix", text("db")],
  ["web/default.nix", text("web")],
]);

function outOf(t: Test): string {
  return join(t.testdir({}), "generated");
}

t.test("a first run writes everything, a second nothing", async (t) => {
  const out = outOf(t);
  t.same(await writeGenerated(out, files), {
    written: ["db/default.nix", "web/default.nix"],
    removed: [],
    unchanged: 0,
  });
  t.equal(await readFile(join(out, "web/default.nix"), "utf8"), text("web"));
  const before = await stat(join(out, "web/default.nix"));
  t.same(await writeGenerated(out, files), { written: [], removed: [], unchanged: 2 });
  const after = await stat(join(out, "web/default.nix"));
  t.same([after.ino, after.mtimeMs], [before.ino, before.mtimeMs]);
  t.same(await readdir(join(out, "web")), ["default.nix"]);
});

t.test("a check finds what is missing, stale and orphaned, and changes nothing", async (t) => {
  const out = outOf(t);
  await writeGenerated(
    out,
    new Map([
      ["web/default.nix", text("old")],
      ["gone/default.nix", text("gone")],
    ]),
  );
  const differences = await checkGenerated(out, files);
  t.same(differences, [
    { path: "db/default.nix", state: "missing" },
    { path: "gone/default.nix", state: "orphaned" },
    { path: "web/default.nix", state: "stale" },
  ]);
  t.same((await readdir(out)).sort(), ["gone", "web"]);
  const error = staleError(out, differences);
  t.match(error, { code: "COMPILE_E_STALE", exit: 1 });
  t.equal(error.problems.length, 3);
});

t.test("a check of a directory that does not exist finds everything missing", async (t) => {
  const differences = await checkGenerated(outOf(t), files);
  t.same(
    differences.map(({ state }) => state),
    ["missing", "missing"],
  );
});

t.test("the file of a host that is gone is removed, and only that", async (t) => {
  const out = outOf(t);
  await writeGenerated(
    out,
    new Map([...files, ["gone/default.nix", text("a")], ["kept/default.nix", text("b")]]),
  );
  await writeFile(join(out, "kept/notes.txt"), "mine");
  await mkdir(join(out, "other"));
  await writeFile(join(out, "other/default.nix"), "{ }");
  t.same((await writeGenerated(out, files)).removed, ["gone/default.nix", "kept/default.nix"]);
  t.same((await readdir(out)).sort(), ["db", "kept", "other", "web"]);
  t.same(await readdir(join(out, "kept")), ["notes.txt"]);
});

t.test("a file that agentctl did not write is never replaced", async (t) => {
  const out = outOf(t);
  await mkdir(join(out, "web"), { recursive: true });
  await writeFile(join(out, "web/default.nix"), "{ mine = true; }");
  await t.rejects(writeGenerated(out, files), {
    code: "COMPILE_E_FOREIGN",
    problems: [{ path: "web/default.nix" }],
  });
  await t.rejects(checkGenerated(out, files), { code: "COMPILE_E_FOREIGN" });
  t.same(await readdir(out), ["web"]);
  t.equal(await readFile(join(out, "web/default.nix"), "utf8"), "{ mine = true; }");
});

t.test("a directory that cannot be used is one clear error", async (t) => {
  const root = t.testdir({ file: "", "web-is-a-file": { web: "" } });
  await symlink("loop", join(root, "loop"));
  for (const name of ["file", "loop", "web-is-a-file"]) {
    await t.rejects(writeGenerated(join(root, name), files), { code: "COMPILE_E_OUT" }, name);
  }
});

t.test("a directory in which one may not write is refused", async (t) => {
  const out = outOf(t);
  await mkdir(out, { mode: 0o555 });
  await asPlainUser(() => t.rejects(writeGenerated(out, files), { code: "COMPILE_E_OUT" }));
});
