import { mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { etcDifferences } from "./etc.ts";
import { observeEtc, readDeclaredEtc } from "./etc-observer.ts";
import { modifiedPaths } from "./nix-store.ts";
import { isOverlay } from "./nixos-machine.ts";
import { observeProcess, parseUsers } from "./process-observer.ts";
import { observeUnitFiles, readGenerationUnits } from "./unit-observer.ts";

t.test("/etc as a generation declares it and as it is, by real links", async (t) => {
  const root = t.testdir({
    store: { "host.json": "{}", sudoers: "root" },
    system: {
      etc: {
        daruma: { "host.json": t.fixture("symlink", "../../../store/host.json") },
        sudoers: t.fixture("symlink", "../../store/sudoers"),
        "sudoers.mode": "0440\n",
        "sudoers.uid": "+0\n",
        "sudoers.gid": "+0\n",
      },
    },
    etc: { daruma: {} },
  });
  const [system, etc] = [join(root, "system"), join(root, "etc")];
  // As /etc/systemd/system on NixOS: a link to a directory is itself what is declared.
  symlinkSync(join(root, "store"), join(system, "etc/units"));
  const declared = readDeclaredEtc(system);
  t.same(declared.entries.map(({ path, kind }) => `${kind} ${path}`).sort(), [
    "copy sudoers",
    "link daruma/host.json",
    "link units",
  ]);
  const look = () =>
    etcDifferences(declared, observeEtc(etc, declared)).map(({ at }) => at.replace(etc, "/etc"));
  t.same(look().sort(), ["/etc/daruma/host.json", "/etc/static", "/etc/sudoers", "/etc/units"]);
  symlinkSync(join(system, "etc"), join(etc, "static"));
  symlinkSync("/etc/static/daruma/host.json", join(etc, "daruma/host.json"));
  symlinkSync("/etc/static/units", join(etc, "units"));
  writeFileSync(join(etc, "sudoers"), "root", { mode: 0o440 });
  t.same(look(), []);
  rmSync(join(etc, "daruma"), { recursive: true });
  writeFileSync(join(etc, "daruma"), "no directory any more");
  t.same(look(), ["/etc/daruma/host.json"]);
});

t.test("units of a generation, and what others have put beside them", async (t) => {
  const root = t.testdir({
    system: {
      etc: {
        systemd: {
          system: {
            "daruma-watchd.service": "[Service]\nExecStart=/x\n",
            "daruma-egress-wall.service": "[Service]\n",
            "daruma-egress-watch.service": "[Service]\n",
            "dbus.service": "[Service]\nX-RestartIfChanged=false\n",
            "mine.service": "[Service]\n",
            "mine.service.d": { "overrides.conf": "[Unit]\nRefuseManualStop=true\n" },
            "multi-user.target.wants": {
              "daruma-watchd.service": "",
              "daruma-egress-wall.service": "",
              "daruma-agent-web.service": "",
              "mine.service": "",
            },
          },
        },
      },
    },
    run: {
      systemd: {
        system: { "x.service.d": { "a.conf": "[Service]\n", "note.txt": "" }, "whole.service": "" },
        "system.control": { "y.service": t.fixture("symlink", "/dev/null") },
      },
    },
  });
  const units = readGenerationUnits(join(root, "system"));
  t.same([...units.restartable].sort(), [
    "daruma-egress-wall.service",
    "daruma-egress-watch.service",
    "daruma-watchd.service",
  ]);
  t.same(
    units.up,
    ["daruma-egress-wall.service", "daruma-egress-watch.service", "daruma-watchd.service"],
    "agents are watchd's own business",
  );
  t.same(observeUnitFiles(root), [
    {
      path: join(root, "run/systemd/system.control/y.service"),
      name: "y.service",
      dropIn: false,
      text: null,
    },
    {
      path: join(root, "run/systemd/system/x.service.d/a.conf"),
      name: "x.service",
      dropIn: true,
      text: "[Service]\n",
    },
  ]);
});

t.test("this very process, as it is seen from outside", async (t) => {
  const seen = observeProcess(process.pid, true);
  t.equal(seen?.uid, process.getuid?.());
  t.equal(seen?.executable, realpathSync(process.execPath));
  t.ok(seen?.argv[0]);
  t.equal(observeProcess(0x7fffffff, true), null);
  t.equal(parseUsers(readFileSync("/etc/passwd", "utf8")).get("root"), 0);
});

t.test("what Nix says of damaged paths, and how /etc is mounted", async (t) => {
  const path = "/nix/store/0d9-x";
  const stderr = `warning: x\npath '${path}' was modified! expected hash 'sha256:a', got 'sha256:b'\n`;
  t.same([...modifiedPaths(stderr)], [[path, "was modified! expected hash 'sha256:a', got 'sha256:b'"]]);
  const line = (fs: string, at: string) => `36 35 98:0 / ${at} rw,noatime master:1 - ${fs} /dev/root rw`;
  t.ok(isOverlay(`${line("ext4", "/")}\n${line("overlay", "/etc")}\n`));
  t.notOk(isOverlay(`${line("overlay", "/")}\n${line("ext4", "/etc")}\n`));
});

t.test(
  "a generation whose /etc cannot be read is an error, and nothing is said to be in order",
  async (t) => {
    const system = t.testdir({});
    mkdirSync(join(system, "etc"));
    t.same(readDeclaredEtc(system).entries, []);
    t.throws(() => readDeclaredEtc(join(system, "nowhere")), { code: "ENOENT" });
    t.throws(() => readGenerationUnits(system), { code: "ENOENT" });
  },
);
