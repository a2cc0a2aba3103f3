import { chmod, chown, lstat, mkdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import t from "tap";
import { scratchDirectory } from "../test-support/agentctl.ts";
import {
  linkedRuntimeDirectory,
  markState,
  prepareDirectories,
  removeRuntimeDirectory,
} from "./runtime-directory.ts";

const asRoot = process.getuid?.() === 0 ? {} : { skip: "only root can give directories away" };

t.test("the directories are made for us alone", async (t) => {
  const root = scratchDirectory(t);
  const state = join(root, "deep", "state");
  const sockets = await prepareDirectories(state, { XDG_RUNTIME_DIR: join(root, "run") });
  for (const directory of [state, sockets.directory, dirname(sockets.directory)]) {
    t.equal((await lstat(directory)).mode & 0o777, 0o700, directory);
  }
  t.same(await prepareDirectories(state, { XDG_RUNTIME_DIR: join(root, "run") }), sockets, "again");
});

t.test("the state directory says where the sockets are, until everything is stopped", async (t) => {
  const state = join(scratchDirectory(t), "state");
  const sockets = await prepareDirectories(state, { XDG_RUNTIME_DIR: dirname(state) });
  t.equal(await linkedRuntimeDirectory(state), null);
  await markState(state, sockets);
  await markState(state, sockets);
  t.equal(await linkedRuntimeDirectory(state), sockets.directory);
  t.equal(await readFile(join(state, ".gitignore"), "utf8"), "*\n");
  await writeFile(join(sockets.directory, "secret"), "");
  await removeRuntimeDirectory(state, sockets);
  t.equal(await linkedRuntimeDirectory(state), null);
  await t.rejects(lstat(sockets.directory), { code: "ENOENT" });
});

t.test("a directory that others may write into is refused", async (t) => {
  const root = scratchDirectory(t);
  const environment = { XDG_RUNTIME_DIR: root };
  await mkdir(join(root, "daruma"));
  await chmod(join(root, "daruma"), 0o777);
  await t.rejects(prepareDirectories(join(root, "state"), environment), { code: "DEV_E_RUNTIME_DIRECTORY" });
});

t.test("a link or a file in place of the directory is refused", async (t) => {
  const root = scratchDirectory(t);
  await mkdir(join(root, "elsewhere"));
  await symlink("elsewhere", join(root, "daruma"));
  await t.rejects(prepareDirectories(join(root, "state"), { XDG_RUNTIME_DIR: root }), {
    code: "DEV_E_RUNTIME_DIRECTORY",
  });
  t.equal(await readlink(join(root, "daruma")), "elsewhere");
});

t.test("a directory of another user is refused", asRoot, async (t) => {
  const root = scratchDirectory(t);
  await mkdir(join(root, "daruma"), { mode: 0o700 });
  await chown(join(root, "daruma"), 12_345, 12_345);
  await t.rejects(prepareDirectories(join(root, "state"), { XDG_RUNTIME_DIR: root }), {
    code: "DEV_E_RUNTIME_DIRECTORY",
  });
});

t.test("paths that are too long for a socket are refused before anything starts", async (t) => {
  const root = scratchDirectory(t);
  await t.rejects(prepareDirectories(join(root, "state"), { XDG_RUNTIME_DIR: join(root, "x".repeat(100)) }), {
    code: "SOCKET_E_PATH_TOO_LONG",
  });
});

t.test("a state directory that cannot be made is told", async (t) => {
  const root = scratchDirectory(t);
  await writeFile(join(root, "file"), "");
  await t.rejects(prepareDirectories(join(root, "file", "state"), {}), { code: "DEV_E_STATE_DIRECTORY" });
});
