import { readFileSync } from "node:fs";
import {
  type AgentInput,
  agentEgress,
  type HostManifest,
  nixpkg,
  parseManifest,
  proxyPorts,
} from "@daruma/config";
import t from "tap";
import { type HostCase, hostSpecOf, must, type Units, unitsOf, unitsOfHost, withoutNix } from "./support.ts";

const node = nixpkg("nodejs_24", "bin/node");
const other: AgentInput = { command: [node, "/srv/other/main.js"] };
/** Every setting with a value of its own. */
const enricher: AgentInput = {
  command: [node, "/srv/enricher/main.js", "--rate=100%", "$HOME"],
  environment: { LOG_LEVEL: "info" },
  workingDirectory: "/srv/enricher",
  credentials: { API_KEY: "/run/secrets/enricher-api-key" },
  startup: "60s",
  health: {
    http: "http://127.0.0.1:8080/health",
    every: "5s",
    failures: 2,
    expect: { status: 200, within: "2s", contains: "ready", json: { "/status": "ok" } },
  },
  heartbeat: { through: "notify", every: "2s", silence: "10s" },
  progress: { within: "5m" },
  resources: {
    memory: "384MiB",
    leak: { growth: "64MiB", within: "20m" },
    cpu: 1.5,
    openFiles: 4096,
    tasks: 512,
    io: "64MiB",
    latency: "400ms",
    sustained: "2m",
    restartWithin: "1h",
  },
  dependencies: { db: "tcp://db.example:5432" },
  restart: {
    when: "always",
    exits: { "3": "temporary", "4": "configuration", SIGUSR1: "success" },
    backoff: { kind: "linear", initial: "200ms", factor: 3, max: "1m", jitter: 0.1 },
    attempts: 5,
    within: "20m",
  },
  limits: { memory: "512MiB" },
  stop: { signal: "SIGINT", grace: "20s" },
  escalate: ["rollback"],
  egress: ["api.example.com:443", { host: "db", port: 5432, private: true, forward: 15432 }],
  required: false,
};

const manifestOf = (units: Units): HostManifest => parseManifest(must(units.etc, "daruma/host.json").text);
const hosts = (...cases: readonly HostCase[]) => unitsOf(cases);

t.test("the unit of an agent is as it was reviewed", { skip: withoutNix }, async (t) => {
  const { unitTexts } = unitsOfHost({ agents: { enricher } });
  const golden = readFileSync(new URL("golden/daruma-agent-enricher.service", import.meta.url), "utf8");
  t.equal(must(unitTexts, "daruma-agent-enricher.service"), golden);
});

t.test("watchd reads in host.json what the fleet file says", { skip: withoutNix }, async (t) => {
  const host: HostCase = {
    agents: { enricher, other },
    host: {
      watchdog: { probation: "90s", rollbackBudget: 2, restartsAtOnce: 3 },
      egress: { deny: ["*.example.org", { cidr: "203.0.113.0/24" }], limits: { bytes: "1GiB" } },
    },
  };
  const { egress, metrics: _, alerts, ...spec } = hostSpecOf(host);
  t.equal(alerts, null, "of alerts that go to nobody nothing is written");
  const { hostDigest, agents, ...manifest } = manifestOf(unitsOfHost(host));
  t.match(hostDigest, /^[0-9a-f]{64}$/);
  t.same({ ...manifest, agents: Object.keys(agents) }, { ...spec, agents: ["enricher", "other"] });
  const ports = proxyPorts(Object.keys(agents), new Set([15432]));
  for (const [name, { digest, ...agent }] of Object.entries(agents)) {
    const expected = must(spec.agents, name);
    t.match(digest, /^[0-9a-f]{64}$/);
    const command = ["/stub/nodejs_24/bin/node", ...expected.command.slice(1)];
    const rules = { ...agentEgress(egress, expected.egress), port: ports.get(name) };
    t.same(agent, { ...expected, command, egress: rules });
  }
});

t.test("an agent's process carries the digest that host.json names", { skip: withoutNix }, async (t) => {
  const units = unitsOfHost({ agents: { enricher, other } });
  for (const [name, { digest }] of Object.entries(manifestOf(units).agents)) {
    t.match(must(units.unitTexts, `daruma-agent-${name}.service`), `Environment="DARUMA_DIGEST=${digest}"\n`);
  }
});

t.test(
  "adding an agent changes no other unit, user, directory or digest",
  { skip: withoutNix },
  async (t) => {
    const [before, after] = hosts({ agents: { enricher } }, { agents: { enricher, other } });
    if (before === undefined || after === undefined) throw new Error("two hosts give two results");
    t.same(
      Object.keys(after.unitTexts).filter((name) => !(name in before.unitTexts)),
      ["daruma-agent-other.service"],
    );
    t.has(after.unitTexts, before.unitTexts);
    t.has(after.users, before.users);
    t.has(after.groups, before.groups);
    t.same(
      before.tmpfiles,
      after.tmpfiles.filter((line) => !line.includes("other")),
    );
    const { "daruma/host.json": _, ...stable } = before.etc;
    t.has(after.etc, stable);
    t.same(Object.keys(after.etc), Object.keys(before.etc));
    t.equal(manifestOf(after).hostDigest, manifestOf(before).hostDigest);
    t.same(manifestOf(after).agents.enricher, manifestOf(before).agents.enricher);
  },
);

const changed: Readonly<Record<string, AgentInput>> = {
  "the program": { ...enricher, command: ["/usr/bin/node", ...enricher.command.slice(1)] },
  "an argument": { ...enricher, command: [node, "/srv/enricher/main.js", "--rate=10%", "$HOME"] },
  "a variable": { ...enricher, environment: { LOG_LEVEL: "debug" } },
  "one more variable": { ...enricher, environment: { LOG_LEVEL: "info", MORE: "" } },
  "the working directory": { ...enricher, workingDirectory: "/srv" },
  "a credential's path": { ...enricher, credentials: { API_KEY: "/run/secrets/other" } },
  "a credential's name": { ...enricher, credentials: { KEY: "/run/secrets/enricher-api-key" } },
  "the start-up time": { ...enricher, startup: "61s" },
  "the health check": { ...enricher, health: { http: "http://127.0.0.1:8080/healthz" } },
  "how it shows that it gets on": {
    ...enricher,
    heartbeat: { through: "http", every: "2s", silence: "10s" },
  },
  "how its work is seen to get on": { ...enricher, progress: { within: "6m" } },
  "what it may use": { ...enricher, resources: { ...enricher.resources, openFiles: 4097 } },
  "what counts as a leak": { ...enricher, resources: { leak: { growth: "64MiB", within: "21m" } } },
  "what it needs": { ...enricher, dependencies: {} },
  "the memory limit": { ...enricher, limits: { memory: "513MiB" } },
  "the stop signal": { ...enricher, stop: { signal: "SIGTERM", grace: "20s" } },
  "what it may reach": { ...enricher, egress: ["api.example.com:443"] },
  "that it may reach nothing": { ...enricher, egress: [] },
  "the grace": { ...enricher, stop: { signal: "SIGINT", grace: "21s" } },
};

const unchanged: Readonly<Record<string, AgentInput>> = {
  "other words for the same times": {
    ...enricher,
    startup: "1m",
    stop: { signal: "SIGINT", grace: "20000ms" },
  },
  "other words for the same size": { ...enricher, limits: { memory: "524288KiB" } },
  "when it is restarted": { ...enricher, restart: { ...enricher.restart, when: "never" } },
  "how fast it is restarted": { ...enricher, restart: { ...enricher.restart, attempts: 9 } },
  "what comes after restarts": { ...enricher, escalate: ["alert"] },
  "another spelling of what it may reach": {
    ...enricher,
    egress: [
      "API.example.com.:443",
      { host: "DB", port: 5432, protocol: "tcp", private: true, forward: 15432 },
    ],
  },
  "whether it is required": { ...enricher, required: true },
};

t.test(
  "the digest of an agent changes exactly when what it runs or how it is judged does",
  {
    skip: withoutNix,
  },
  async (t) => {
    const variants = { "nothing at all": enricher, ...changed, ...unchanged };
    const results = hosts(
      ...Object.values(variants).map((agent) => ({ agents: { enricher: agent, other } })),
    );
    const [base] = results.map(manifestOf);
    const digests = new Set<string>();
    for (const [index, [what, units]] of Object.keys(variants).map(
      (what, i) => [i, [what, results[i]]] as const,
    )) {
      if (units === undefined || base === undefined) throw new Error(`there is no result ${index}`);
      const manifest = manifestOf(units);
      const digest = must(manifest.agents, "enricher").digest;
      t.equal(digest !== base.agents.enricher?.digest, what in changed, `enricher: ${what}`);
      t.equal(manifest.agents.other?.digest, base.agents.other?.digest, `other: ${what}`);
      t.equal(manifest.hostDigest, base.hostDigest, `host: ${what}`);
      digests.add(digest);
    }
    t.equal(digests.size, Object.keys(changed).length + 1, "no two changes give the same digest");
  },
);

t.test(
  "the digest of the host changes with the rest of the host, and no agent's does",
  { skip: withoutNix },
  async (t) => {
    const agents = { enricher };
    const [base, seed, release, systemd, name, policy] = hosts(
      { agents },
      { agents, arguments: 'hostSeed = "another";' },
      { agents, arguments: 'daruma = "/stub/another-daruma";' },
      { agents, arguments: 'pkgs = pkgs // { systemd = "/stub/another-systemd"; };' },
      { agents, name: "etl-02" },
      { agents, host: { watchdog: { probation: "1s", rollbackBudget: 0 } } },
    ).map(manifestOf);
    for (const [what, manifest] of Object.entries({ seed, release, systemd, name })) {
      t.not(manifest?.hostDigest, base?.hostDigest, what);
      t.equal(manifest?.agents.enricher?.digest, base?.agents.enricher?.digest, what);
    }
    t.equal(policy?.hostDigest, base?.hostDigest);
  },
);

t.test(
  "an agent that is stopped by a signal that systemd takes for a crash has not failed",
  {
    skip: withoutNix,
  },
  async (t) => {
    const signals = ["SIGTERM", "SIGUSR1"] as const;
    const results = hosts(
      ...signals.map((signal) => ({ agents: { other: { ...other, stop: { signal } } } })),
    );
    const success = results.map(
      ({ units }) => must(units, "daruma-agent-other.service").Service?.SuccessExitStatus,
    );
    t.same(success, [undefined, ["SIGUSR1"]]);
  },
);

t.test("systemd goes by what an agent's own ends mean", { skip: withoutNix }, async (t) => {
  const exits = {
    "0": "failure",
    "3": "temporary",
    "78": "success",
    SIGTERM: "success",
    SIGPIPE: "temporary",
  } as const;
  const { units } = unitsOfHost({ agents: { other: { ...other, restart: { exits } } } });
  const service = must(units, "daruma-agent-other.service").Service ?? {};
  t.same(service.RestartPreventExitStatus, []);
  t.same(service.SuccessExitStatus, ["78", "SIGTERM"]);
  t.same(service.RestartForceExitStatus, ["SIGHUP", "SIGINT", "0", "SIGPIPE"]);
});

t.test("a tiny grace leaves the hook time to tell how the run ended", { skip: withoutNix }, async (t) => {
  const [tiny, long] = hosts(
    { agents: { other: { ...other, stop: { grace: "1ms" } } } },
    { agents: { other: { ...other, stop: { grace: "1h" } } } },
  ).map(({ units }) => must(units, "daruma-agent-other.service").Service?.TimeoutStopSec);
  t.same([tiny, long], ["2000ms", "3600000ms"]);
});

t.test(
  "what an agent was given in a home or elsewhere is in its reach, and nothing more",
  {
    skip: withoutNix,
  },
  async (t) => {
    const services = hosts(
      ...[undefined, "/srv/data", "/home/me/agent", "/", "/homely"].map((workingDirectory) => ({
        agents: { other: { ...other, ...(workingDirectory === undefined ? {} : { workingDirectory }) } },
      })),
    ).map(({ units }) => must(units, "daruma-agent-other.service").Service);
    t.same(
      services.map((service) => [service?.ProtectHome, service?.ReadWritePaths]),
      [
        [true, undefined],
        [true, '"-/srv/data"'],
        ["read-only", '"-/home/me/agent"'],
        [true, undefined],
        [true, '"-/homely"'],
      ],
    );
  },
);

t.test(
  "fallback settings are a drop-in of what differs, in whose place nothing of ours is left",
  { skip: withoutNix },
  async (t) => {
    const fallback: AgentInput["fallback"] = {
      command: ["/bin/enricher", "--safe"],
      environment: { SAFE_MODE: "1 %", LOG_LEVEL: "debug" },
    };
    const units = unitsOfHost({ agents: { enricher: { ...enricher, fallback }, other } });
    const { digest, fallback: own, escalate } = must(manifestOf(units).agents, "enricher");
    t.match(own, fallback);
    t.not(own?.digest, digest);
    t.same(escalate, ["fallback", "rollback"], "first, where nothing else is said");
    const text = must(units.etc, "daruma/fallbacks/enricher.conf").text;
    t.equal(
      text,
      [
        "[Service]",
        `Environment="DARUMA_DIGEST=${own?.digest}"`,
        'Environment="LOG_LEVEL=debug"',
        'Environment="SAFE_MODE=1 %%"',
        "ExecStart=",
        'ExecStart="/bin/enricher" "--safe"',
        "LogExtraFields=",
        "LogExtraFields=DARUMA_AGENT=enricher",
        `LogExtraFields=DARUMA_DIGEST=${own?.digest}`,
        "",
      ].join("\n"),
    );
    t.notOk(units.etc["daruma/fallbacks/other.conf"]);
    const changed = unitsOfHost({
      agents: { enricher: { ...enricher, fallback: { command: ["/bin/enricher"] } } },
    });
    t.not(must(manifestOf(changed).agents, "enricher").digest, digest, "another fallback is another agent");
  },
);

t.test("a host without agents has all of Daruma", { skip: withoutNix }, async (t) => {
  const units = unitsOfHost({ agents: {} });
  t.same(Object.keys(units.units).sort(), [
    "daruma-ledgerd.service",
    "daruma-stand-ins.service",
    "daruma-watchd-failed.service",
    "daruma-watchd.service",
  ]);
  t.same(Object.keys(units.etc).sort(), [
    "daruma/bin/boot-complete",
    "daruma/bin/exit-hook",
    "daruma/bin/rollback",
    "daruma/bin/stand-ins",
    "daruma/bin/stop-hook",
    "daruma/bin/watchd-failed",
    "daruma/host.json",
  ]);
  t.same(Object.keys(units.users), ["daruma-ledger"]);
});

t.test("directories come after those that they are in", { skip: withoutNix }, async (t) => {
  const { tmpfiles, users, groups } = unitsOfHost({ agents: { enricher, other } });
  const rows = tmpfiles.map((line) => line.split(" "));
  for (const [index, [type, path = "", mode = "", user = "", group = ""]] of rows.entries()) {
    t.equal(type, "d");
    t.match(mode, /^[0-7]{4}$/);
    t.ok(user === "root" || user in users, `${path} belongs to ${user}`);
    t.ok(group === "root" || group in groups, `${path} belongs to group ${group}`);
    t.notOk(
      rows.slice(index + 1).some(([, later = ""]) => path.startsWith(`${later}/`)),
      `${path} is made after its parents`,
    );
  }
});
