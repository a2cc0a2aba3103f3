import { isDarumaError } from "@daruma/base";
import t from "tap";
import { decodeFleet, parseFleet } from "./decode.ts";
import { nixpkg, source } from "./references.ts";
import {
  agentPath,
  agentProblems,
  decodedAgent,
  fleetWith,
  minimalAgent,
  problemsIn,
} from "./test-support.ts";

t.test("an agent with nothing but a command gets every default", async (t) => {
  t.same(decodedAgent({}), {
    command: minimalAgent.command,
    environment: {},
    workingDirectory: null,
    credentials: {},
    startupMs: 30_000,
    health: null,
    restart: {
      when: "on-failure",
      backoff: { initialMs: 100, factor: 2, maxMs: 30_000, jitter: 0.2 },
      attempts: 3,
      withinMs: 600_000,
    },
    limits: { memoryBytes: null },
    stop: { signal: "SIGTERM", graceMs: 30_000 },
    escalate: ["rollback", "alert"],
    heartbeat: null,
    egress: null,
    required: true,
  });
});

t.test("a host without a watchdog policy gets probation and a budget of one", async (t) => {
  const decoded = decodeFleet(fleetWith({}));
  t.same(decoded.ok && decoded.fleet.hosts["etl-01"]?.watchdog, {
    probationMs: 600_000,
    rollbackBudget: 1,
    restartsAtOnce: 10,
  });
});

t.test("what is set is kept, in the units of the manifest", async (t) => {
  const agent = decodedAgent({
    environment: { LOG: "info", NODE: nixpkg("nodejs_24", "bin/node"), RULES: source("./enricher", "rules") },
    workingDirectory: "/srv/enricher",
    credentials: { API_KEY: "/run/secrets/key" },
    startup: "1m",
    health: {
      http: "https://h.example/x?y=1",
      every: "500ms",
      failures: 1,
      expect: { status: 204, within: "2s", json: { "/status": "ok" } },
    },
    heartbeat: { through: "notify", silence: "1m" },
    progress: { within: "10m" },
    resources: { memory: "384MiB", leak: { growth: "64MiB" }, cpu: 1.5, latency: "400ms" },
    dependencies: { db: "tcp://db.example:5432" },
    restart: {
      when: "always",
      exits: { "3": "temporary" },
      backoff: { kind: "linear", initial: "0ms", factor: 1.5, max: "1m", jitter: 0 },
      attempts: 5,
      within: "1h",
    },
    limits: { memory: "512MiB" },
    stop: { signal: "SIGINT", grace: "5s" },
    escalate: ["alert"],
    required: false,
  });
  t.match(agent, {
    environment: { LOG: "info", NODE: { ref: "nixpkg" }, RULES: { ref: "source", file: "rules" } },
    workingDirectory: "/srv/enricher",
    credentials: { API_KEY: "/run/secrets/key" },
    startupMs: 60_000,
    health: {
      url: "https://h.example/x?y=1",
      everyMs: 500,
      withinMs: 2000,
      status: 204,
      body: { contains: null, json: { "/status": "ok" } },
      failures: 1,
    },
    heartbeat: { through: "notify", everyMs: 5_000, silenceMs: 60_000 },
    progress: { withinMs: 600_000 },
    resources: {
      memoryBytes: 384 * 1024 ** 2,
      leak: { growthBytes: 64 * 1024 ** 2, withinMs: 1_800_000 },
      cpu: 1.5,
      openFiles: null,
      tasks: null,
      ioBytesPerSecond: null,
      latencyMs: 400,
      sustainedMs: 60_000,
      restartWithinMs: 600_000,
    },
    dependencies: { db: "tcp://db.example:5432" },
    restart: {
      when: "always",
      exits: { "3": "temporary" },
      backoff: { kind: "linear", initialMs: 0, factor: 1.5, maxMs: 60_000, jitter: 0 },
      attempts: 5,
      withinMs: 3_600_000,
    },
    limits: { memoryBytes: 536_870_912 },
    stop: { signal: "SIGINT", graceMs: 5000 },
    escalate: ["alert"],
    required: false,
  });
});

t.test("a decoded fleet survives JSON unchanged", async (t) => {
  const decoded = decodeFleet(fleetWith({ health: { http: "http://127.0.0.1:1/" } }));
  t.same(JSON.parse(JSON.stringify(decoded)), decoded);
});

t.test("an option that is undefined counts as left out", async (t) => {
  t.same(
    decodedAgent({ startup: undefined, health: undefined, restart: { when: undefined } }),
    decodedAgent({}),
  );
});

t.test("unknown options are errors at every level, with the name that was meant", async (t) => {
  const problems = problemsIn({
    ...(fleetWith({
      Environment: {},
      restart: { backof: {} },
      health: { http: "http://h/", expect: { state: 1 } },
    }) as object),
    host: {},
  });
  t.match(problems, [
    { path: "host", message: /"hosts"/ },
    { path: `${agentPath}.Environment`, message: /"environment"/ },
    { path: `${agentPath}.health.expect.state`, message: /known here: status, within/ },
    { path: `${agentPath}.restart.backof`, message: /"backoff"/ },
  ]);
});

t.test("all problems are reported at once, each with its path", async (t) => {
  const fleet = {
    hosts: {
      Web_1: { system: "x86_64-linux", agents: { "agent-with-a-name-that-is-too-long": minimalAgent } },
      web: {
        sytem: "x86_64-linux",
        agents: {
          one: {
            command: ["node"],
            startup: "-5s",
            restart: { backoff: { initial: "10s", max: "5s" }, attempts: 0 },
          },
          two: { ...minimalAgent, health: { every: 15, http: "ftp://x" }, environment: { A: "\u0000" } },
          three: null,
        },
        watchdog: { probation: "8d", rollbackBudget: -1 },
      },
    },
  };
  t.same(
    problemsIn(fleet).map(({ path }) => path),
    [
      "hosts.Web_1",
      "hosts.Web_1.agents.agent-with-a-name-that-is-too-long",
      "hosts.web.agents.one.command[0]",
      "hosts.web.agents.one.restart.attempts",
      "hosts.web.agents.one.restart.backoff.max",
      "hosts.web.agents.one.startup",
      "hosts.web.agents.three",
      "hosts.web.agents.two.environment.A",
      "hosts.web.agents.two.health.every",
      "hosts.web.agents.two.health.http",
      "hosts.web.system",
      "hosts.web.sytem",
      "hosts.web.watchdog.probation",
      "hosts.web.watchdog.rollbackBudget",
    ],
  );
});

t.test("the program is a reference or an absolute path, never a name to search for", async (t) => {
  t.same(agentProblems({ command: ["/usr/bin/env", "", "x"] }), []);
  t.same(agentProblems({ command: [source("./enricher", "run.sh")] }), []);
  t.same(agentProblems({ command: ["node"] }), ["command[0]"]);
  t.same(agentProblems({ command: [""] }), ["command[0]"]);
  t.same(agentProblems({ command: [] }), ["command[0]"]);
  t.same(agentProblems({ command: "node" }), ["command"]);
  t.same(agentProblems({ command: ["/x", 1, null, { ref: "nix" }] }), [
    "command[1]",
    "command[2]",
    "command[3]",
  ]);
});

t.test("references that leave their package or directory are refused", async (t) => {
  const inside = ["bin/node", "a", "a b/c", "..a/b", "a..b"];
  for (const path of inside)
    t.same(agentProblems({ command: [nixpkg("a", path), source("d", path)] }), [], path);
  for (const path of ["", "/bin/node", "..", "../x", "a/../b", "a/..", "./a", "a//b", "a/"]) {
    t.same(
      agentProblems({ command: [nixpkg("a", path), source("d", path)] }),
      ["command[0].path", "command[1].file"],
      path,
    );
  }
});

t.test("an attribute path holds names and dots only", async (t) => {
  for (const attribute of ["nodejs_24", "python3Packages.pip", "a-b", "3proxy", "x'"]) {
    t.same(agentProblems({ command: [nixpkg(attribute, "bin/x")] }), [], attribute);
  }
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Nix would evaluate it
  for (const attribute of ["", ".", "a.", "a b", "a/b", "${x}", 'a"b', "a;b", "-a"]) {
    t.same(agentProblems({ command: [nixpkg(attribute, "bin/x")] }), ["command[0].attribute"], attribute);
  }
});

t.test("numbers and durations out of range are refused", async (t) => {
  const wrong: readonly (readonly [path: string, agent: object])[] = [
    ["startup", { startup: "0s" }],
    ["startup", { startup: "2d" }],
    ["health.every", { health: { http: "http://h/", every: "1ms" } }],
    ["health.expect.contains", { health: { http: "http://h/", expect: { contains: "" } } }],
    ['health.expect.json["/a"]', { health: { http: "http://h/", expect: { json: { "/a": [] } } } }],
    ["heartbeat.through", { heartbeat: { through: "smoke" } }],
    ["dependencies.db", { dependencies: { db: "tcp://db.example" } }],
    ["resources.leak.growth", { resources: { leak: {} } }],
    ["restart.backoff.kind", { restart: { backoff: { kind: "cubic" } } }],
    ["restart.exits.3", { restart: { exits: { "3": "luck" } } }],
    ["health.failures", { health: { http: "http://h/", failures: 0 } }],
    ["health.failures", { health: { http: "http://h/", failures: 1.5 } }],
    ["health.expect.status", { health: { http: "http://h/", expect: { status: 99 } } }],
    ["restart.attempts", { restart: { attempts: 0 } }],
    ["restart.attempts", { restart: { attempts: "3" } }],
    ["restart.backoff.factor", { restart: { backoff: { factor: 0.5 } } }],
    ["restart.backoff.factor", { restart: { backoff: { factor: Number.POSITIVE_INFINITY } } }],
    ["restart.backoff.jitter", { restart: { backoff: { jitter: 1.01 } } }],
    ["restart.backoff.jitter", { restart: { backoff: { jitter: Number.NaN } } }],
    ["restart.within", { restart: { within: "8d" } }],
    ["limits.memory", { limits: { memory: "1KiB" } }],
    ["stop.grace", { stop: { grace: "0ms" } }],
    ["stop.signal", { stop: { signal: "SIGKILL" } }],
    ["escalate", { escalate: [] }],
    ["escalate", { escalate: ["alert", "alert"] }],
    ["escalate[0]", { escalate: ["page"] }],
    ["required", { required: "yes" }],
  ];
  for (const [path, agent] of wrong) t.same(agentProblems(agent), [path], JSON.stringify(agent));
});

t.test("paths on the host are absolute and plain, and a credential is not in the store", async (t) => {
  t.same(agentProblems({ workingDirectory: "srv" }), ["workingDirectory"]);
  t.same(agentProblems({ workingDirectory: "/srv/../etc" }), ["workingDirectory"]);
  t.same(agentProblems({ credentials: { A: "secret" } }), ["credentials.A"]);
  t.same(agentProblems({ credentials: { A: "/nix/store/abc-key" } }), ["credentials.A"]);
  t.same(agentProblems({ credentials: { A: source("d", "f") } }), ["credentials.A"]);
});

t.test("a health URL is http or https, whole, and without a password", async (t) => {
  const http = (url: unknown) => agentProblems({ health: { http: url } });
  for (const url of ["http://127.0.0.1:8080/health", "https://[::1]/x?y=1", "HTTP://host"])
    t.same(http(url), [], url);
  const wrong = [
    "",
    "/health",
    "ftp://h/",
    "http:h",
    "http://",
    "http://u:p@h/",
    "http://h/#x",
    "http://h:0/",
    "http://h:99999/",
  ];
  for (const url of [...wrong, " http://h/", "http://h/\n", "http://h/a b", 8080]) {
    t.same(http(url), ["health.http"], JSON.stringify(url));
  }
});

t.test("no value that may be a secret is repeated in a message", async (t) => {
  const secret = "hunter2";
  const problems = problemsIn(
    fleetWith({
      environment: { A: `${secret}\u0000`, B: { secret }, C: [secret] },
      credentials: { D: secret, E: { secret }, F: `/nix/store/${secret}` },
      command: [secret, { secret }, `${secret}\ud800`],
      health: { http: `http://user:${secret}@host/` },
    }),
  );
  t.equal(problems.length, 10);
  t.notOk(problems.some(({ message }) => message.includes(secret)));
});

t.test("long values and names do not flood a message", async (t) => {
  const long = "x".repeat(100_000);
  const problems = problemsIn(
    fleetWith({ startup: long, [long]: 1, environment: { [`${long} `]: "" }, limits: { memory: long } }),
  );
  t.equal(problems.length, 4);
  for (const { path, message } of problems) t.ok(path.length + message.length < 400, path.slice(0, 100));
});

t.test("a word that no program can be given is refused", async (t) => {
  t.same(agentProblems({ command: ["/x", "y".repeat(131_071)] }), []);
  t.same(agentProblems({ command: ["/x", "y".repeat(131_072)] }), ["command[1]"]);
});

t.test("a fleet names at least one host, and a host may have no agents", async (t) => {
  t.same(
    problemsIn({ hosts: {} }).map(({ path }) => path),
    ["hosts"],
  );
  t.same(problemsIn({ hosts: { a: { system: "aarch64-linux", agents: {} } } }), []);
});

t.test("nothing that is not a fleet decodes", async (t) => {
  for (const value of [
    undefined,
    null,
    1,
    "x",
    [],
    () => ({}),
    new Map(),
    {},
    { hosts: null },
    { hosts: [] },
  ]) {
    t.equal(decodeFleet(value).ok, false);
  }
});

t.test("parseFleet throws one error with a stable code that holds all problems", async (t) => {
  try {
    parseFleet({ hosts: {}, x: 1 }, "fleet.config.ts");
    t.fail("did not throw");
  } catch (error) {
    if (!isDarumaError(error)) throw error;
    t.equal(error.code, "CONFIG_E_INVALID");
    t.equal(error.where, "fleet.config.ts");
    t.equal(error.problems.length, 2);
  }
});
