import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { serveUnix } from "@daruma/base";
import t from "tap";
import { socketsIn } from "../instance/layout.ts";
import { scratchDirectory } from "../test-support/agentctl.ts";
import { lockState } from "./lock.ts";

const self = {
  schemaVersion: 1,
  pid: 4711,
  config: "/home/a/fleet.config.ts",
  state: "/home/a/.daruma",
  startedAt: "2026-01-01T00:00:00.000Z",
} as const;

t.test("a second one is refused, and told who the first is", async (t) => {
  const sockets = socketsIn(scratchDirectory(t));
  const lock = await lockState(sockets, null, self);
  t.teardown(() => lock.close());
  await t.rejects(lockState(sockets, null, { ...self, pid: 2 }), {
    code: "DEV_E_ALREADY_RUNNING",
    message: /process 4711, for \/home\/a\/fleet.config.ts/,
  });
});

t.test("a first one in another runtime directory counts as well", async (t) => {
  const root = scratchDirectory(t);
  const [first, second] = [socketsIn(join(root, "1")), socketsIn(join(root, "2"))];
  const lock = await lockState(first, null, self);
  await t.rejects(lockState(second, first.directory, self), { code: "DEV_E_ALREADY_RUNNING" });
  await lock.close();
  await (await lockState(second, first.directory, self)).close();
});

t.test("something else on the socket is not taken for free", async (t) => {
  const directory = scratchDirectory(t);
  await mkdir(directory, { recursive: true });
  const sockets = socketsIn(directory);
  const other = await serveUnix({ path: sockets.dev, routes: {}, onBug: () => undefined });
  t.teardown(() => other.close());
  await t.rejects(lockState(sockets, null, self), { code: "DEV_E_ALREADY_RUNNING" });
});
