import { readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { FakeHost, manifest } from "./fixtures/fake-host.ts";

t.test("before there is a system there is nothing", async (t) => {
  const host = new FakeHost(t);
  const generations = host.generations(t);
  t.equal(await generations.current(), null);
  t.same(await generations.list(), []);
  t.same(await generations.knownGood(), []);
});

t.test("current is the system that runs, with its manifest and its newest number", async (t) => {
  const host = new FakeHost(t);
  const first = host.deploy(1, "first");
  const second = host.deploy(2, "second");
  const generations = host.generations(t);
  t.same(await generations.current(), { number: 2, path: second, manifest: manifest("second") });
  host.addGeneration(10, first);
  t.same((await generations.current())?.path, second, "what boots next does not count");
  host.activate(first);
  t.same(await generations.current(), { number: 10, path: first, manifest: manifest("first") });
});

t.test("a system that no generation of the profile is has number 0", async (t) => {
  const host = new FakeHost(t);
  host.deploy(1, "first");
  const tested = host.build("tested");
  host.activate(tested);
  t.match(await host.generations(t).current(), { number: 0, path: tested });
});

t.test("the number stays while the profile is moved away from what runs", async (t) => {
  const host = new FakeHost(t);
  const good = host.deploy(5, "good");
  host.deploy(6, "bad");
  host.addGeneration(9, good);
  host.activate(good);
  const generations = host.generations(t);
  t.equal((await generations.current())?.number, 9);
  rmSync(host.site.profile);
  symlinkSync("system-6-link", host.site.profile);
  t.equal((await generations.current())?.number, 9);
});

t.test("a system without a manifest, or with a wrong one, is an error that names the file", async (t) => {
  const host = new FakeHost(t);
  const path = host.deploy(1, "first");
  const generations = host.generations(t);
  const where = join(path, "etc/daruma/host.json");
  writeFileSync(where, "{}");
  await t.rejects(generations.current(), { code: "CONFIG_E_MANIFEST", where });
  rmSync(where);
  await t.rejects(generations.current(), { code: "GENERATION_E_CORRUPT", where });
});

t.test("the list holds every generation link, by number, and nothing else of the directory", async (t) => {
  const host = new FakeHost(t);
  const first = host.deploy(2, "first");
  const second = host.deploy(10, "second");
  symlinkSync("/elsewhere", host.path("profiles/system-11-link"));
  writeFileSync(host.path("profiles/system-12-link"), "");
  symlinkSync(first, host.path("profiles/other-1-link"));
  const list = await host.generations(t).list();
  t.same(
    list.map(({ number, path, current }) => [number, path, current]),
    [
      [2, first, false],
      [10, second, true],
    ],
  );
  for (const { createdAt } of list) t.ok(Math.abs(createdAt - Date.now()) < 60_000);
});

t.test(
  "the newest three known-good generations are links that keep them from the garbage collector",
  async (t) => {
    const host = new FakeHost(t);
    const generations = host.generations(t);
    const paths = ["a", "b", "c", "d"].map((name, at) => host.deploy(at + 1, name));
    // The wall clock is set back between the promotions.
    for (const [at, path] of paths.entries()) await generations.markKnownGood(path, 10_000 - at);
    const known = await host.generations(t).knownGood();
    t.same(
      known.map(({ path, number, promotedAt, hostDigest }) => ({ path, number, promotedAt, hostDigest })),
      [
        { path: paths[3], number: 4, promotedAt: 9997, hostDigest: "host-d" },
        { path: paths[2], number: 3, promotedAt: 9998, hostDigest: "host-c" },
        { path: paths[1], number: 2, promotedAt: 9999, hostDigest: "host-b" },
      ],
    );
    t.same(
      readdirSync(host.site.gcroots)
        .map((file) => readlinkSync(join(host.site.gcroots, file)))
        .sort(),
      paths.slice(1),
    );
  },
);

t.test(
  "the same promotion once more changes nothing, a later one of the same path comes first",
  async (t) => {
    const host = new FakeHost(t);
    const generations = host.generations(t);
    const [a, b] = [host.deploy(1, "a"), host.deploy(2, "b")];
    await generations.markKnownGood(a, 1);
    await generations.markKnownGood(b, 2);
    await generations.markKnownGood(b, 2);
    t.equal(readdirSync(host.site.gcroots).length, 2);
    await generations.markKnownGood(a, 3);
    t.same(
      (await generations.knownGood()).map(({ path }) => path),
      [a, b],
    );
    t.equal(readdirSync(host.site.gcroots).length, 2);
  },
);

t.test("a known-good generation whose files are gone is left out, other links are left alone", async (t) => {
  const host = new FakeHost(t);
  const generations = host.generations(t);
  const [a, b] = [host.deploy(1, "a"), host.deploy(2, "b")];
  symlinkSync("/nix/store/whatever", join(host.site.gcroots, "agent-x"));
  writeFileSync(join(host.site.gcroots, "known-good-9-9"), "no link");
  await generations.markKnownGood(a, 1);
  await generations.markKnownGood(b, 2);
  t.equal((await generations.knownGood()).length, 2);
  rmSync(a, { recursive: true });
  t.same(
    (await generations.knownGood()).map(({ path }) => path),
    [b],
  );
  t.ok(readdirSync(host.site.gcroots).includes("agent-x"));
});

t.test("only a generation in the store can be marked known-good", async (t) => {
  const host = new FakeHost(t);
  const generations = host.generations(t);
  const path = host.deploy(1, "a");
  await t.rejects(generations.markKnownGood(host.site.currentSystem, 1), { code: "GENERATION_E_NOT_FOUND" });
  await t.rejects(generations.markKnownGood(`${path}/..`, 1), { code: "GENERATION_E_NOT_FOUND" });
  await t.rejects(generations.markKnownGood(`${path}-not`, 1), { code: "GENERATION_E_CORRUPT" });
  rmSync(host.site.gcroots, { recursive: true });
  writeFileSync(host.site.gcroots, "");
  await t.rejects(generations.markKnownGood(path, 1), { code: "GENERATION_E_WRITE" });
});

t.test("a closure verifies as Nix says, and what is wrong is named", async (t) => {
  const host = new FakeHost(t);
  const generations = host.generations(t);
  const path = host.deploy(1, "a");
  t.same(await generations.verifyClosure(path), { ok: true });
  host.write("damaged", `${path}\n`);
  const damaged = await generations.verifyClosure(path);
  t.match(damaged, { ok: false, problems: [new RegExp(`^path '${path}' was modified`)] });
  t.match(await generations.verifyClosure(`${path}x`), { ok: false, problems: [/is not valid/] });
  t.match(await generations.verifyClosure("/etc/passwd"), { ok: false, problems: [/is not in/] });
});

t.test("a file that is not there is damage as well", async (t) => {
  const host = new FakeHost(t);
  const path = host.deploy(1, "a");
  const says = (text: string) => host.program("nix-store", `echo "${text}" >&2; exit 1`);
  const gone = `error: getting status of '${host.site.store}/x': No such file or directory`;
  says(gone);
  t.same(await host.generations(t).verifyClosure(path), { ok: false, problems: [gone] });
});

t.test("a closure that cannot be read in time, or at all, is not called damaged", async (t) => {
  const host = new FakeHost(t);
  const path = host.deploy(1, "a");
  host.program("nix-store", "exec tail -f /dev/null");
  const slow = host.generations(t, { verifyMs: 100 });
  await t.rejects(slow.verifyClosure(path), { message: "nix-store did not end within 100 ms" });
  const generations = host.generations(t);
  host.program("nix-store", "kill -TERM $$");
  await t.rejects(generations.verifyClosure(path), { message: "nix-store: SIGTERM" });
  for (const complaint of [
    "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': No such file or directory",
    "error: executing SQLite query: database is busy (in '/nix/var/nix/db/db.sqlite')",
    `error: reading from file '${path}/x': Input/output error`,
  ]) {
    host.program("nix-store", `echo "${complaint}" >&2; exit 1`);
    await t.rejects(generations.verifyClosure(path), {
      message: `nix-store ended with exit code 1: ${complaint}`,
    });
  }
  process.env.PATH = "/nowhere";
  await t.rejects(generations.verifyClosure(path), { message: /ENOENT/ });
});

t.test("whoever listens is told when the system or the profile changes", async (t) => {
  const host = new FakeHost(t);
  host.deploy(1, "a");
  const generations = host.generations(t);
  let told = 0;
  generations.onSwitch(() => {
    told += 1;
  });
  const b = host.build("b");
  host.addGeneration(2, b);
  await host.until(() => told > 0);
  const before = told;
  host.activate(b);
  await host.until(() => told > before);
  await generations.close();
  const last = told;
  host.addGeneration(3, host.build("c"));
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(told, last);
});
