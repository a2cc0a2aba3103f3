import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { bootHost } from "./host.ts";
import { workDirectory } from "./leftovers.ts";
import { scenario } from "./scenario.ts";

scenario(
  "A host runs systemd as PID 1, with one empty generation, nothing failed and no network",
  async (host, t) => {
    t.equal(await host.succeed("cat /proc/1/comm"), "systemd\n");
    t.equal(await host.succeed("systemctl is-system-running"), "running\n");
    t.equal(await host.succeed("hostname"), "test-host\n");
    t.match(await host.succeed("systemctl --version"), /^systemd 257/);
    t.match(
      await host.succeed("nix-env -p /nix/var/nix/profiles/system --list-generations"),
      /^ *1 .*\(current\)\s*$/,
    );
    const current = await host.succeed("readlink -e /run/current-system");
    t.equal(await host.succeed("readlink -e /nix/var/nix/profiles/system"), current);
    t.equal(await host.succeed("readlink -e /run/booted-system"), current);
    t.equal(await host.succeed("ls /sys/class/net"), "lo\n");
    t.match(await host.journal(), /Reached target multi-user\.target/);
  },
);

scenario("A host has Node 24 and Daruma's programs as packages in its store", async (host, t) => {
  const node = (await host.succeed("readlink -e /nix/var/nix/gcroots/test-host-nodejs_24")).trim();
  t.match(await host.succeed([`${node}/bin/node`, "--version"]), /^v24\./);
  const daruma = (await host.succeed("readlink -e /nix/var/nix/gcroots/test-host-daruma")).trim();
  t.match(await host.succeed([`${daruma}/bin/agentctl`, "--version"]), /\d+\.\d+\.\d+/);
  t.equal((await host.exec(["nix-store", "--verify-path", node, daruma])).exitCode, 0);
});

scenario("A command in a host has its own exit code, streams, input and time limit", async (host, t) => {
  const result = await host.exec("cat; echo complaint >&2; exit 7", { input: "said\n" });
  t.match(result, { exitCode: 7, stdout: "said\n", stderr: "complaint\n" });
  await t.rejects(host.succeed("exit 3"), /exit 3/);
  await t.rejects(host.exec("sleep 1000", { timeoutMs: 100 }), /did not end within 100 ms/);
  t.equal((await host.exec("pgrep -x sleep")).exitCode, 1);
  await host.writeFile("/etc/some/where", "text with a \0 in it", 0o600);
  t.equal(await host.readFile("/etc/some/where"), "text with a \0 in it");
  t.equal(await host.succeed("stat -c %a:%U /etc/some/where"), "600:root\n");
});

scenario(
  "What a host did is gone after a reset, and still there after a reboot and a power cut",
  async (host, t) => {
    await host.writeFile("/var/lib/kept", "1");
    await host.reboot();
    t.equal(await host.readFile("/var/lib/kept"), "1");
    await host.cutPower();
    t.equal(await host.readFile("/var/lib/kept"), "1");
    t.equal((await host.journal()).match(/Reached target multi-user\.target/g)?.length, 3);
    await host.reset();
    t.equal((await host.exec("test -e /var/lib/kept")).exitCode, 1);
  },
);

scenario("Two hosts at a time do not touch each other's units", async (host, t) => {
  const other = await bootHost({ storage: "disk" });
  t.teardown(() => other.stop());
  for (const each of [host, other]) await each.succeed("systemd-run --unit=same sleep 1000");
  await other.succeed("systemctl kill --signal=KILL same.service");
  await other.waitUntilSucceeds("! systemctl is-active same.service");
  t.equal(await host.succeed("systemctl is-active same.service"), "active\n");
  await other.stop();
  t.equal(await host.succeed("systemctl is-active same.service"), "active\n");
});

scenario("A test that dies without a word takes its host along", async (_host, t) => {
  const { child, inside } = await bootForever();
  t.equal(placesOf(child).length, 1);
  t.ok(inside.every(isAlive));
  child.kill("SIGKILL");
  await once(child, "close");
  await until(() => !inside.some(isAlive) && placesOf(child).length === 0);
  t.notMatch(readFileSync("/proc/self/mountinfo", "utf8"), /daruma-test-host/);
});

scenario("What a host could not take away itself, the next one does", async (_host, t) => {
  const { child, inside } = await bootForever();
  child.kill("SIGKILL");
  const [holder] = inside;
  if (holder === undefined) throw new Error("there is no holder");
  process.kill(holder, "SIGKILL");
  await once(child, "close");
  t.equal(placesOf(child).length, 1);
  const next = await bootHost();
  await next.stop();
  t.same(placesOf(child), []);
  t.notOk(inside.some(isAlive));
});

interface Booted {
  readonly child: ChildProcess;
  /** Processes of its host, the holder first. */
  readonly inside: readonly number[];
}

async function bootForever(): Promise<Booted> {
  const script = join(import.meta.dirname, "fixtures", "boot-forever.ts");
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close").then(() => Promise.reject(new Error("the fixture booted no host")));
  const [said] = await Promise.race([once(child.stdout, "data"), ended]);
  return { child, inside: JSON.parse(String(said)) };
}

function placesOf({ pid }: ChildProcess): readonly string[] {
  return readdirSync(workDirectory).filter((name) => name.startsWith(`daruma-test-host-${pid}-`));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
