import fc from "fast-check";
import t from "tap";
import { dropInName } from "../systemd/drop-in.ts";
import { diffLines } from "./diff.ts";
import { type Difference, isIgnored, withoutIgnored } from "./difference.ts";
import { unitLines } from "./discreet.ts";
import { type EtcEntry, type EtcFound, etcDifferences } from "./etc.ts";
import { planOf } from "./plan.ts";
import { type DeclaredProcess, type ObservedProcess, processDifference } from "./processes.ts";
import { parseStates, stateDifferences } from "./states.ts";
import { systemDifference } from "./system.ts";
import { dropInNames, unitDifferences } from "./units.ts";

t.test("lines that are in both are neither gone nor new, and either side can be had back", async (t) => {
  t.same(diffLines(["a", "b", "c"], ["a", "x", "c"]), ["  a", "- b", "+ x", "  c"]);
  const lines = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 12 });
  fc.assert(
    fc.property(lines, lines, (declared, observed) => {
      const diff = diffLines(declared, observed);
      const side = (mark: string) =>
        diff.filter((line) => line[0] === " " || line[0] === mark).map((line) => line.slice(2));
      return (
        JSON.stringify([side("-"), side("+")]) === JSON.stringify([declared, observed]) &&
        (declared.join() !== observed.join() || diff.every((line) => line.startsWith("  ")))
      );
    }),
  );
  const long = diffLines(Array(500).fill("x".repeat(999)), []);
  t.equal(long.length, 41);
  t.ok(long.every((line) => line.length <= 202));
});

t.test(
  "what a person has declared as theirs is left alone, and what only looks like it is not",
  async (t) => {
    t.ok(isIgnored("/etc/foo/bar", ["/etc/foo"]));
    t.ok(isIgnored("/etc/foo", ["/etc/foo/"]));
    t.notOk(isIgnored("/etc/foobar", ["/etc/foo"]));
    const at = (path: string, kind: "start" | "switch" = "start") =>
      ({ kind: "etc", at: path, remedy: { kind } }) as Difference;
    t.same(withoutIgnored([at("/etc/a/b"), at("/etc/ab")], ["/etc/a"]), [at("/etc/ab")]);
    const both = [at("/etc/a", "switch"), at("/etc/b", "switch"), at("c.timer")];
    t.same(withoutIgnored(both, []), both);
    t.match(
      withoutIgnored(both, ["/etc/a"]),
      [{ at: "/etc/b", remedy: { kind: "none", why: /would replace \/etc\/a/ } }, at("c.timer")],
      "what puts another right would take theirs away",
    );
  },
);

const tree = "/nix/store/x-etc/etc";
const sha256 = "ab".repeat(32);
const entries: readonly EtcEntry[] = [
  { path: "daruma/host.json", kind: "link" },
  { path: "sudoers", kind: "copy", mode: 0o440, sha256 },
  { path: "direct", kind: "direct", target: "/run/x" },
];
const asDeclared: readonly [string, EtcFound][] = [
  ["daruma/host.json", { kind: "link", target: "/etc/static/daruma/host.json" }],
  ["sudoers", { kind: "file", mode: 0o440, size: 5, sha256 }],
  ["direct", { kind: "link", target: "/run/x" }],
];

t.test("/etc is compared link by link, copies by content and mode", async (t) => {
  const look = (changes: Readonly<Record<string, EtcFound | undefined>>, target = tree) =>
    etcDifferences(
      { tree, entries },
      {
        tree: { kind: "link", target },
        found: new Map(
          asDeclared.flatMap(([path, found]) => {
            const now = path in changes ? changes[path] : found;
            return now === undefined ? [] : [[path, now] as const];
          }),
        ),
      },
    );
  t.same(look({}), []);
  t.same(look({ "daruma/host.json": undefined }), [], "what could not be looked at says nothing");
  t.match(look({ "daruma/host.json": { kind: "absent" } }), [
    {
      at: "/etc/daruma/host.json",
      declared: ["link to /etc/static/daruma/host.json"],
      observed: [],
      remedy: { kind: "switch", setAside: null },
    },
  ]);
  const replaced = look({
    "daruma/host.json": { kind: "file", mode: 0o644, size: 3, sha256: "cd".repeat(32) },
  });
  t.match(replaced[0]?.remedy, { setAside: "/etc/daruma/host.json" }, "a file of somebody's is kept");
  t.notMatch(JSON.stringify(replaced), /(cd){4}/, "a short secret cannot be guessed from its hash");
  t.equal(look({ sudoers: { kind: "file", mode: 0o644, size: 5, sha256 } }).length, 1);
  t.match(look({}, "/nix/store/y-etc/etc"), [{ at: "/etc/static", declared: [`link to ${tree}`] }]);
});

t.test("a unit's drop-ins come from the directories that systemd looks at", async (t) => {
  t.same(dropInNames("daruma-agent-web.service"), [
    "daruma-agent-web.service",
    "daruma-agent-.service",
    "daruma-.service",
    "service",
  ]);
  t.same(dropInNames("getty@tty1.service"), ["getty@tty1.service", "getty@.service", "service"]);
});

t.test(
  "what others add to a unit of the generation is drift, and what is no unit of it is not",
  async (t) => {
    const web = "daruma-agent-web.service";
    const units = { names: new Set([web, "sshd.service"]), restartable: new Set([web]) };
    const dropIn = (name: string, file: string, text: string | null = "[Service]\nNice=5\n") => {
      const path = `/run/systemd/system/${name}.d/${file}`;
      return unitDifferences(units, [{ path, name, dropIn: true, text }])[0];
    };
    t.match(dropIn(web, "override.conf"), { observed: ["[Service]", "Nice=5"], remedy: { units: [web] } });
    t.equal(dropIn(web, dropInName), undefined, "our own is known");
    t.ok(dropIn("sshd.service", dropInName), "its name makes nothing ours that is another unit's");
    t.match(dropIn("sshd.service", "x.conf"), { remedy: { units: [] } }, "what must not be restarted is not");
    t.match(dropIn("daruma-.service", "x.conf"), { remedy: { units: [web] } });
    t.match(dropIn("service", "x.conf", null), { observed: ["masked"], remedy: { units: [web] } });
    t.equal(dropIn("other.service", "x.conf"), undefined);
  },
);

t.test("nothing that may be a secret is told of another's unit file", async (t) => {
  const text = `# note\n[Service]\nEnvironment=TOKEN=s3cret\nExecStart=\nExecStart=/bin/x --token s3cret --key=s3cret\nSetCredential=a:s3cret\nUser=root\n  s3cret\n`;
  t.same(unitLines(text), [
    "[Service]",
    "Environment=(not shown)",
    "ExecStart=",
    "ExecStart=/bin/x --token (not shown) (not shown)",
    "SetCredential=(not shown)",
    "User=root",
    "(not shown)",
  ]);
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9+]{20,40}$/), (secret) => {
      const lines = unitLines(`[Service]\nExecStart=/x ${secret}\nEnvironment="A=${secret}"\n${secret}`);
      return !lines.some((line) => line.includes(secret));
    }),
  );
});

t.test("a unit of ours that is down, or that systemd knows by an old definition, is drift", async (t) => {
  const show = (active: string, sub: string, more = "") =>
    parseStates(`Id=a.timer\nActiveState=${active}\nSubState=${sub}\n${more}`);
  const one = (...args: Parameters<typeof show>) => stateDifferences(["a.timer"], show(...args));
  t.same(one("active", "waiting"), []);
  t.same(one("activating", "auto-restart"), [], "on its way");
  t.same(one("inactive", "dead", "Type=oneshot\nRemainAfterExit=no\n"), [], "it has done what it had to");
  t.match(one("inactive", "dead"), [{ observed: ["inactive (dead)"], remedy: { kind: "start" } }]);
  t.match(one("failed", "failed", "Type=oneshot\n"), [{ remedy: { kind: "start", unit: "a.timer" } }]);
  t.match(one("active", "waiting", "NeedDaemonReload=yes\n"), [{ remedy: { kind: "reload" } }]);
  t.match(stateDifferences(["b.mount"], []), [{ at: "b.mount", observed: [] }]);
});

t.test(
  "an agent that runs something else, or as somebody else, is drift; titles and wrappers are not",
  async (t) => {
    const declared: DeclaredProcess = {
      agent: "web",
      runId: "run-1",
      command: ["/s/bin/node", "/s/main.js", "--verbose"],
      program: "/s/real/node",
      uid: 7,
    };
    const observed = { argv: declared.command, executable: "/s/real/node", uid: 7 };
    const look = (more: Partial<ObservedProcess>, own: Partial<DeclaredProcess> = {}) =>
      processDifference({ ...declared, ...own }, { ...observed, ...more }, (path) => path.startsWith("/s/"));
    t.equal(look({}), null);
    t.equal(look({ argv: ["my title"] }), null);
    t.equal(
      look({ argv: ["/s/bash", "/s/bin/node", "/s/main.js", "--verbose"], executable: "/s/bash" }),
      null,
    );
    t.equal(
      look({ argv: ["/s/bin/node", "--added", "/s/main.js", "--verbose"], executable: "/s/wrapped" }),
      null,
    );
    t.equal(look({ argv: ["other"], executable: "/s/wrapped" }), null);
    t.equal(look({ executable: null }), null);
    t.match(look({ argv: ["/s/bin/node", "/tmp/evil.js", "hunter2"] }), {
      observed: ["command /s/bin/node /tmp/evil.js (not shown)"],
      remedy: { kind: "restart", agent: "web", runId: "run-1" },
    });
    t.match(look({ argv: ["/bin/sh"], executable: "/bin/sh" }), { kind: "process" });
    t.match(look({ uid: 0 }), { declared: ["user 7"], observed: ["user 0"] });
    t.equal(look({ uid: 0 }, { uid: null }), null);
  },
);

t.test("what runs and is not what boots next is told and left", async (t) => {
  t.same(systemDifference({ profile: "/a", current: "/a" }), []);
  t.match(systemDifference({ profile: "/a", current: "/b" }), [{ remedy: { kind: "none" } }]);
});

t.test("several differences are put right by each deed once, watchd's own restart at the end", async (t) => {
  const to = (remedy: Difference["remedy"]) => ({ remedy }) as Difference;
  const [agent, watchd] = ["daruma-agent-web.service", "daruma-watchd.service"];
  t.same(
    planOf([
      to({ kind: "remove", path: "/a", units: [watchd, agent] }),
      to({ kind: "switch", setAside: null }),
      to({ kind: "switch", setAside: "/etc/x" }),
      to({ kind: "repair", path: "/s/p", agents: ["web", "other"] }),
      to({ kind: "restart", agent: "web", runId: "run-1" }),
      to({ kind: "start", unit: "t.timer" }),
    ]),
    {
      setAside: ["/a"],
      keep: ["/etc/x"],
      repair: ["/s/p"],
      reload: true,
      switchAgain: true,
      start: ["t.timer"],
      restart: [agent, watchd],
      agents: [{ agent: "other", runId: null }],
    },
  );
});
