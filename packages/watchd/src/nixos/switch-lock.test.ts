import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import t from "tap";
import { FakeHost } from "./fixtures/fake-host.ts";
import { isLocked, switchUnderWay } from "./switch-lock.ts";

/** Holds the lock of switch-to-configuration, as that does, until it is told to let go. */
async function holdLock(host: FakeHost): Promise<() => Promise<void>> {
  const holder = spawn("flock", [host.site.switchLock, "sh", "-c", "echo held; read -r _"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  return async () => {
    holder.stdin.end("\n");
    await once(holder, "exit");
  };
}

t.test("a lock is found by device and inode, those that wait for it do not count", async (t) => {
  // Device 0:1a and fe:00, as `stat` packs them.
  const locks = [
    "1: POSIX  ADVISORY  WRITE 812 00:1a:1401 0 EOF",
    "2: FLOCK  ADVISORY  WRITE 900 00:1a:1402 0 EOF",
    "2: -> FLOCK  ADVISORY  WRITE 901 00:1a:1403 0 EOF",
    "3: FLOCK  ADVISORY  READ  77 fe:00:2146357 0 EOF",
  ].join("\n");
  t.equal(isLocked(locks, 0x1an, 1402n), true);
  t.equal(isLocked(locks, 0x1an, 1401n), false, "another kind of lock");
  t.equal(isLocked(locks, 0x1an, 1403n), false, "only waited for");
  t.equal(isLocked(locks, 0x1bn, 1402n), false, "another device");
  t.equal(isLocked(locks, 65024n, 2146357n), true);
  t.equal(isLocked("", 0n, 0n), false);
});

t.test("a switch is under way as long as somebody holds the lock", async (t) => {
  const host = new FakeHost(t);
  t.equal(await switchUnderWay(host.site), false);
  const letGo = await holdLock(host);
  t.equal(await switchUnderWay(host.site), true);
  await letGo();
  t.ok(statSync(host.site.switchLock).isFile());
  t.equal(await switchUnderWay(host.site), false);
});

t.test("in mid-switch the system before is told, and listeners hear of the end", async (t) => {
  const host = new FakeHost(t);
  const old = host.deploy(1, "old");
  const generations = host.generations(t);
  t.equal((await generations.current())?.path, old);
  const letGo = await holdLock(host);
  const next = host.deploy(2, "next");
  t.match(await generations.current(), { path: old, number: 1 });
  let seen: string | undefined;
  generations.onSwitch(async () => {
    seen = (await generations.current())?.path;
  });
  host.activate(next);
  await host.until(() => seen === old);
  await letGo();
  await host.until(() => seen === next);
  t.match(await generations.current(), { path: next, number: 2 });
});

t.test(
  "a watchd that starts in mid-switch goes by what is there, and a switch that hangs hides nothing for ever",
  async (t) => {
    const host = new FakeHost(t);
    const old = host.deploy(1, "old");
    const watching = host.generations(t, { settleMs: 50 });
    t.equal((await watching.current())?.path, old);
    const letGo = await holdLock(host);
    t.teardown(letGo);
    const next = host.deploy(2, "next");
    t.equal((await host.generations(t).current())?.path, next);
    let told = await watching.current();
    t.equal(told?.path, old);
    const endsAt = performance.now() + 10_000;
    while (told?.path !== next && performance.now() < endsAt) told = await watching.current();
    t.equal(told?.path, next);
  },
);
