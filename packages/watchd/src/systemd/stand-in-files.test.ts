import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { story } from "../policy/fixtures/story.ts";
import { dropInOf, readDropIn } from "./drop-in.ts";
import { createStandInFiles } from "./stand-in-files.ts";

/** Two generations of one host on disk, of which the second has broken `a`; and a state in which `a` has gone back alone. */
function lab(t: Test) {
  const root = t.testdir({});
  const [one, two] = [join(root, "one"), join(root, "two")];
  const unit = (digest: string, program: string) =>
    `[Unit]\nDescription=a\n\n[Service]\nExecStart="${program}"\nLogExtraFields=DARUMA_DIGEST=${digest}\n`;
  const write = (generation: string, digest: string, program: string) => {
    const units = join(generation, "etc/systemd/system");
    mkdirSync(units, { recursive: true });
    writeFileSync(join(units, "daruma-agent-aa.service"), unit(digest, program));
    mkdirSync(join(generation, "etc/daruma/fallbacks"), { recursive: true });
    writeFileSync(
      join(generation, "etc/daruma/fallbacks/aa.conf"),
      "[Service]\nExecStart=\nExecStart=/safe\n",
    );
  };
  write(one, "a-1", "/old");
  write(two, "a-2", "/new");
  const site = {
    copies: join(root, "copies"),
    runtimeUnits: join(root, "run"),
    gcroots: join(root, "gcroots"),
  };
  const reloads: string[] = [];
  const told: string[] = [];
  let ok = true;
  const open = () =>
    createStandInFiles({
      site,
      systemctl: {
        reload: async () => {
          reloads.push(existsSync(file) ? "there" : "gone");
          return { ok, message: ok ? "" : "busy" };
        },
      },
      log: (message) => told.push(message),
    });
  const file = dropInOf("aa", site.runtimeUnits);
  const plan = { escalate: ["rollback-agent", "alert"], health: null } as const;
  const s = story({ agents: { aa: { digest: "a-1", ...plan } } }).proven();
  s.deploy("/two", { agents: { aa: { digest: "a-2", ...plan } } })
    .exits("aa", 3)
    .healthy("aa");
  const standIn = s.agent("aa").standIn;
  const { generation } = s.state;
  if (standIn === null || generation === null) throw new Error("it has not gone back");
  const withStandIn = {
    ...s.state,
    generation: { ...generation, path: two },
    agents: { aa: { ...s.agent("aa"), standIn: { ...standIn, generation: one } } },
  };
  const without = { ...withStandIn, agents: { aa: { ...s.agent("aa"), standIn: null } } };
  return {
    ...{ root, one, two, site, reloads, told, open, file, withStandIn, without },
    fail: (fails: boolean) => {
      ok = !fails;
    },
  };
}

t.test(
  "what the state wants is on disk, rooted, kept for the next boot and read by systemd; and goes again",
  async (t) => {
    const { one, site, reloads, open, file, withStandIn, without } = lab(t);
    const files = open();
    files.keep(withStandIn);
    await files.settled("aa");
    const text = readFileSync(file, "utf8");
    t.match(text, /ExecStart=\nExecStart="\/old"\nLogExtraFields=\nLogExtraFields=DARUMA_DIGEST=a-1\n/);
    t.match(readDropIn(text), { kind: "earlier", declared: "a-2", generation: one });
    t.equal(readFileSync(join(site.copies, "aa.conf"), "utf8"), text);
    t.equal(readlinkSync(join(site.gcroots, "stand-in-aa")), one);
    files.keep(withStandIn);
    await files.settled("aa");
    t.same(reloads, ["there"], "nothing is done twice");
    const next = open();
    next.keep(withStandIn);
    await next.settled("aa");
    t.same(reloads, ["there"], "nor by the next watchd");
    next.keep(without);
    await next.settled("aa");
    t.notOk(existsSync(file));
    t.notOk(existsSync(join(site.copies, "aa.conf")));
    t.notOk(existsSync(join(site.gcroots, "stand-in-aa")));
    t.same(reloads, ["there", "gone"]);
  },
);

t.test("the fallback is what the current generation says", async (t) => {
  const { open, file, withStandIn } = lab(t);
  const { aa } = withStandIn.agents;
  const standIn = { ...aa.standIn, kind: "fallback" as const };
  const files = open();
  files.keep({ ...withStandIn, agents: { aa: { ...aa, standIn } } });
  await files.settled("aa");
  t.match(readFileSync(file, "utf8"), /\[Service\]\nExecStart=\nExecStart=\/safe\n$/);
});

t.test("what cannot be put in force keeps that agent from starting, and no other", async (t) => {
  const { one, told, open, withStandIn, file } = lab(t);
  rmSync(one, { recursive: true });
  const files = open();
  files.keep(withStandIn);
  await t.rejects(files.settled("aa"), /not in force.*ENOENT/);
  await files.settled("bb");
  t.match(told, [/aa/]);
  t.notOk(existsSync(file));
});

t.test("what systemd has not read is not in force, and is tried again", async (t) => {
  const { open, fail, withStandIn, reloads } = lab(t);
  fail(true);
  const files = open();
  files.keep(withStandIn);
  await t.rejects(files.settled("aa"), /busy/);
  fail(false);
  files.keep(withStandIn);
  await files.settled("aa");
  t.same(reloads, ["there", "there"]);
});

t.test(
  "at boot they are in force again before the agents, for the definition that they were made for alone",
  async (t) => {
    const { root, one, two, site, open, file, withStandIn } = lab(t);
    const files = open();
    files.keep(withStandIn);
    await files.settled("aa");
    const bin = join(root, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "systemctl"), `#!/bin/sh\necho "$@" >>${root}/reloads\n`);
    chmodSync(join(bin, "systemctl"), 0o755);
    const boot = (generation: string) => {
      rmSync(site.runtimeUnits, { recursive: true, force: true });
      const program = join(import.meta.dirname, "../nixos/stand-ins.sh");
      const units = join(generation, "etc/systemd/system");
      execFileSync("sh", [program, site.copies, units, site.runtimeUnits], {
        env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
      });
      return existsSync(file);
    };
    t.ok(boot(two));
    t.equal(readFileSync(file, "utf8"), readFileSync(join(site.copies, "aa.conf"), "utf8"));
    t.equal(readFileSync(join(root, "reloads"), "utf8"), "daemon-reload\n");
    t.notOk(boot(one), "another definition");
    rmSync(one, { recursive: true });
    t.notOk(boot(two), "its settings are gone");
  },
);
