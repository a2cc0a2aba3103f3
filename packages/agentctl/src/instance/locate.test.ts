import { mkdir, realpath, symlink } from "node:fs/promises";
import { join } from "node:path";
import { maxSocketPathBytes } from "@daruma/base";
import t from "tap";
import { scratchDirectory } from "../test-support/agentctl.ts";
import { runtimeDirectories, socketsIn } from "./layout.ts";
import { locateInstance } from "./locate.ts";

const roots = { environment: {}, temporary: "/tmp", uid: 1000 };

t.test(
  "sockets are in XDG_RUNTIME_DIR, or in a directory of the user's own in the temporary one",
  async (t) => {
    const xdg = { ...roots, environment: { XDG_RUNTIME_DIR: "/run/user/1000" } };
    t.match(runtimeDirectories("/home/a/.daruma", xdg).own[1], /^\/run\/user\/1000\/daruma\/[0-9a-f]{12}$/);
    t.match(runtimeDirectories("/home/a/.daruma", roots).own, [
      "/tmp/daruma-1000",
      /^\/tmp\/daruma-1000\/[0-9a-f]{12}$/,
    ]);
    const relative = { ...roots, environment: { XDG_RUNTIME_DIR: "run" } };
    t.match(runtimeDirectories("/home/a/.daruma", relative).own[0], "/tmp/daruma-1000");
  },
);

t.test("different state directories have different sockets, and their paths are short enough", async (t) => {
  const [one, other] = ["/home/a/.daruma", "/home/b/.daruma"].map(
    (state) => runtimeDirectories(state, roots).own[1],
  );
  t.not(one, other);
  const deep = runtimeDirectories(`/home/${"x".repeat(4_000)}`, roots).own[1];
  t.ok(socketsIn(deep).operatorLedger.length < maxSocketPathBytes);
});

t.test("a command means the nearest state directory from here upwards", async (t) => {
  const root = await realpath(scratchDirectory(t));
  const deep = join(root, "a", "b");
  await mkdir(join(root, ".daruma"), { recursive: true });
  await mkdir(deep, { recursive: true });
  const environment = { XDG_RUNTIME_DIR: "/run/user/1" };
  t.equal((await locateInstance(undefined, { cwd: deep, environment })).state, join(root, ".daruma"));
  await mkdir(join(root, "a", ".daruma"));
  t.equal((await locateInstance(undefined, { cwd: deep, environment })).state, join(root, "a", ".daruma"));
  t.equal((await locateInstance("../../.daruma", { cwd: deep, environment })).state, join(root, ".daruma"));
});

t.test("every way to a state directory leads to the same sockets", async (t) => {
  const root = await realpath(scratchDirectory(t));
  await mkdir(join(root, "state"));
  await symlink("state", join(root, "link"));
  const where = { cwd: root, environment: { XDG_RUNTIME_DIR: root } };
  const direct = await locateInstance("state", where);
  t.same((await locateInstance("link", where)).sockets, direct.sockets);
});

t.test("the link that dev leaves wins over this shell's own environment", async (t) => {
  const root = await realpath(scratchDirectory(t));
  await mkdir(join(root, "state"));
  await symlink("/run/user/7/daruma/abc", join(root, "state", "run"));
  const { sockets } = await locateInstance("state", { cwd: root, environment: {} });
  t.equal(sockets.watchd, "/run/user/7/daruma/abc/watchd.sock");
});

t.test("where nothing is, the error says what to do", async (t) => {
  const where = { cwd: scratchDirectory(t), environment: {} };
  await t.rejects(locateInstance("nowhere", where), {
    code: "SOCKET_E_UNREACHABLE",
    exit: 5,
    hint: /agentctl dev/,
  });
});
