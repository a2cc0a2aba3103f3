import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import t from "tap";
import { evaluateNix, nixPath, type Sections, unitsOfHost, withoutNix } from "./support.ts";

/* The units, read by the systemd of this machine. That it runs them is shown on the test host. */

const withoutSystemd = withoutNix || noSystemd();

function noSystemd(): string | false {
  const { status } = spawnSync("systemd-analyze", ["--version"]);
  return status !== 0 && "no systemd-analyze on PATH";
}

function version(): number {
  const [, number = "0"] =
    /^systemd (\d+)/.exec(execFileSync("systemd-analyze", ["--version"], { encoding: "utf8" })) ?? [];
  return Number(number);
}

/** What systemd learned later than Debian 12 (252): keys of our units, by the release that knows them. */
const later: Readonly<Record<string, number>> = {
  RestartMode: 254,
  RestartSteps: 254,
  RestartMaxDelaySec: 254,
};

function writeUnits(directory: string): string[] {
  // Programs that are on any machine: systemd looks for them.
  const { unitTexts } = unitsOfHost({
    agents: {
      worker: {
        command: ["/bin/sh", "-c", 'echo "100%" $HOME; exec sleep 1'],
        environment: { GREETING: "50% of $HOME\n" },
        workingDirectory: "/srv/a b",
        credentials: { KEY: "/run/secrets/100%" },
        limits: { memory: "512MiB" },
        stop: { signal: "SIGUSR1" },
      },
      plain: { command: ["/bin/sh"], restart: { when: "never" } },
      walled: { command: ["/bin/sh"], egress: ["api.example.com:443"] },
    },
    host: {
      metrics: { port: 9464 },
      routines: {
        nightly: { command: ["/bin/sh", "-c", 'echo "100%" $HOME'], environment: { RATE: "100%" } },
      },
    },
    arguments: 'daruma = "/stub/daruma";',
  });
  mkdirSync(directory, { recursive: true });
  return Object.entries(unitTexts).map(([name, text]) => {
    const file = join(directory, name);
    // The daemons' programs are not on this machine, and these tests are not about them.
    writeFileSync(file, text.replace(/^(Exec(?:Start|Stop|Reload))="?\/(stub|etc)\/.*$/gm, "$1=/bin/sh"));
    return file;
  });
}

t.test("systemd knows every setting and takes every value", { skip: withoutSystemd }, async (t) => {
  const files = writeUnits(t.testdir({}));
  const { stdout, stderr, status } = spawnSync("systemd-analyze", ["verify", "--man=no", ...files], {
    encoding: "utf8",
    env: { ...process.env, SYSTEMD_LOG_LEVEL: "info", SYSTEMD_LOG_TARGET: "console", SYSTEMD_COLORS: "0" },
  });
  const known = version();
  const complaints = `${stdout}${stderr}`.split("\n").filter((line) => {
    const key = /Unknown key(?: name)? '(\w+)'/.exec(line)?.[1];
    return line.includes("daruma-") && !(key !== undefined && (later[key] ?? 0) > known);
  });
  t.same(complaints, []);
  t.equal(status, 0);
});

/** Sandboxes that only some hosts have: of a ledger with witnesses outside, metrics without a port, a loader that counts boots. */
function writeOtherSandboxes(directory: string): string[] {
  const sandboxes = {
    bootComplete: "boot-complete",
    metricsd: "metricsd-without-port",
    networkedLedgerd: "ledgerd-with-witnesses",
  };
  const hardening = evaluateNix(`import ${nixPath("modules/units/hardening.nix")}`) as Sections;
  return Object.entries(sandboxes).map(([name, unit]) => {
    const user = name === "bootComplete" ? {} : { User: "daruma-x" };
    const settings = Object.entries({ ExecStart: "/bin/sh", ...user, ...hardening[name] });
    const lines = settings.map(([key, value]) => `${key}=${[value].flat().join(" ")}`);
    const file = join(directory, `daruma-${unit}.service`);
    writeFileSync(file, ["[Service]", ...lines, ""].join("\n"));
    return file;
  });
}

/**
 * How exposed each unit is by `systemd-analyze security` of systemd 252: 0 is confined, 10 is not. A score here may be lowered, and
 * raised only with a reason in docs/concepts/hosts.md.
 */
const exposures: Readonly<Record<string, number>> = {
  "agent-plain": 1.7,
  "agent-walled": 1.6,
  "agent-worker": 1.7,
  "boot-complete": 1.1,
  egressd: 1.5,
  "egress-probe-routine@": 1.6,
  "egress-probe@": 1.6,
  "egress-self-test": 1.9,
  "egress-wall": 2,
  "egress-watch": 2,
  // 0.2 of it: whatever runs in its unit may feed its watchdog, as systemd-notify does.
  ledgerd: 0.8,
  "ledgerd-with-witnesses": 1.6,
  metricsd: 1.7,
  "metricsd-without-port": 1.2,
  "routine-nightly@": 1.7,
  "stand-ins": 1.1,
  watchd: 6.8,
  "watchd-failed": 6.6,
};

t.test(
  "no unit is more exposed than it was, by systemd's own measure",
  { skip: withoutSystemd },
  async (t) => {
    // A path unit runs nothing.
    const directory = t.testdir({});
    const services = writeUnits(directory).filter((file) => file.endsWith(".service"));
    const files = [...services, ...writeOtherSandboxes(directory)];
    // Other releases look at other settings, which makes a tenth or two.
    const tolerance = version() === 252 ? 0 : 0.2;
    const found = files.map((file) => basename(file, ".service").replace("daruma-", ""));
    t.same(found.sort(), Object.keys(exposures).sort(), "every unit has its score here");
    for (const file of files) {
      const name = basename(file, ".service").replace("daruma-", "");
      const report = execFileSync("systemd-analyze", ["security", "--offline=true", "--no-pager", file], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
        env: { ...process.env, SYSTEMD_COLORS: "0" },
      });
      const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(report)?.[1]);
      const most = (exposures[name] ?? 0) + tolerance;
      t.ok(exposure <= most, `${name}: ${exposure} is at most ${most}`);
    }
  },
);

t.test("the documentation has every figure, with its reason", async (t) => {
  const text = readFileSync(new URL("../../docs/concepts/hosts.md", import.meta.url), "utf8");
  const rows = text.split("\n").filter((line) => /^\|[^|]*\|[^|]*\d\.\d/.test(line));
  for (const [name, exposure] of Object.entries(exposures)) {
    const unit = name.replace(/-with(out)?-.*$/, "");
    const label = /^(agent|routine)-/.test(name) ? "agents, runs of routines" : `\`daruma-${unit}\``;
    const [, , figures = "", reason = ""] = rows.find((row) => row.includes(label))?.split("|") ?? [];
    t.ok(figures.includes(exposure.toFixed(1)), `${name}: ${exposure}`);
    t.ok(exposure < 1 || reason.trim() !== "", `${name} has a reason`);
  }
});
