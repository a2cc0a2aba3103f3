import { checkHostSettings, decodeFleet } from "@daruma/config";
import t, { type Test } from "tap";
import { evaluateNix, nixHost, nixPath, withoutNix } from "./support.ts";

/** A setting, as a fleet file has it and as Nix has it, and the option that a message about it has to name. */
interface Rule {
  readonly host?: object;
  readonly agent?: object;
  readonly name?: string;
  readonly nix: string;
  readonly option: string;
}

const at = (option: string) => `services.daruma.agents."worker".${option}`;
/** A setting of the agent. */
function rule(agent: object, nix: string, option: string): Rule {
  return { agent, nix: `{ agents = { worker = agent // { ${nix} }; }; }`, option: at(option) };
}
function named(name: string): Rule {
  const nix = `{ agents = { ${JSON.stringify(name)} = agent; }; }`;
  return { name, nix, option: `services.daruma.agents.${JSON.stringify(name)}` };
}
function duration(path: readonly string[], value: string): Rule {
  const nested = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  const option = path.join(".");
  const outer = path[0] ?? "";
  const nix = `${outer} = update [ ${path
    .slice(1)
    .map((key) => JSON.stringify(key))
    .join(" ")} ] ${JSON.stringify(value)} agent.${outer}`;
  return rule(withHealth(nested), `${nix};`, option);
}
/** A health check is nothing without its URL. */
function withHealth(agent: unknown): object {
  const given = agent as { readonly health?: object };
  return given.health === undefined ? given : { ...given, health: { http: url, ...given.health } };
}

function expecting(expect: object, nix: string, setting: string): Rule {
  const whole = `health = agent.health // { expect = agent.health.expect // { ${nix} }; };`;
  return rule(withHealth({ health: { expect } }), whole, setting === "" ? "" : `health.expect.${setting}`);
}

/** The other settings of a heartbeat are its defaults. */
function beating(given: { readonly every?: string; readonly silence?: string }, setting: string): Rule {
  const { every = "5s", silence = "15s" } = given;
  const nix = `heartbeat = { through = "http"; every = "${every}"; silence = "${silence}"; };`;
  return rule(
    { heartbeat: { through: "http", ...given } },
    nix,
    setting === "" ? "" : `heartbeat.${setting}`,
  );
}

/** The other settings of `resources` are their defaults. */
function using(given: Readonly<Record<string, string | number>>, setting: string): Rule {
  const value = ([name, each]: [string, string | number]) => `${name} = ${JSON.stringify(each)};`;
  const none = ["memory", "leak", "cpu", "openFiles", "tasks", "io", "latency"].map(
    (name) => `${name} = null;`,
  );
  const defaults = `${none.join(" ")} sustained = "1m"; restartWithin = "10m";`;
  const nix = `resources = { ${defaults} } // { ${Object.entries(given).map(value).join(" ")} };`;
  return rule({ resources: given }, nix, setting === "" ? "" : `resources.${setting}`);
}

/** The other setting of a leak is its default. */
function leaking(leak: { readonly growth: string; readonly within?: string }, setting: string): Rule {
  const { nix } = using({}, "");
  const own = `leak = { growth = "${leak.growth}"; within = "${leak.within ?? "30m"}"; };`;
  const option = setting === "" ? "" : at(`resources.leak.${setting}`);
  return { agent: { resources: { leak } }, nix: nix.replace("// {  }", `// { ${own} }`), option };
}

function needing(where: string, setting: string): Rule {
  return rule({ dependencies: { db: where } }, `dependencies.db = ${JSON.stringify(where)};`, setting);
}

const url = "http://127.0.0.1:8080/health";
const program = "/usr/bin/worker";

const refused: readonly Rule[] = [
  ...["a", "Worker", "1worker", "worker-", "wor ker", "../worker", "x".repeat(29), "wor\nker"].map(named),
  duration(["startup"], "0ms"),
  duration(["startup"], "25h"),
  duration(["stop", "grace"], "0s"),
  duration(["stop", "grace"], "61m"),
  duration(["health", "every"], "9ms"),
  duration(["health", "every"], "2h"),
  duration(["health", "expect", "within"], "0ms"),
  duration(["health", "expect", "within"], "11m"),
  ...["256", "03", "SIGCHLD"].map((end) =>
    rule(
      { restart: { exits: { [end]: "failure" } } },
      `restart = agent.restart // { exits = { "${end}" = "failure"; }; };`,
      "restart.exits",
    ),
  ),
  expecting({ contains: "" }, 'contains = "";', "contains"),
  expecting({ json: { status: "ok" } }, 'json.status = "ok";', "json"),
  expecting({ json: { "/a~2": 1 } }, 'json."/a~2" = 1;', "json"),
  beating({ every: "9ms" }, "every"),
  beating({ silence: "99ms", every: "10ms" }, "silence"),
  rule({ progress: { within: "99ms" } }, 'progress.within = "99ms";', "progress.within"),
  using({ sustained: "999ms" }, "sustained"),
  using({ restartWithin: "8d" }, "restartWithin"),
  using({ memory: "1KiB" }, "memory"),
  using({ cpu: 0 }, "cpu"),
  using({ openFiles: 0 }, "openFiles"),
  using({ tasks: 0 }, "tasks"),
  using({ io: "0B" }, "io"),
  using({ latency: "11m" }, "latency"),
  leaking({ growth: "1B" }, "growth"),
  leaking({ growth: "1MiB", within: "500ms" }, "within"),
  ...["db.example:5432", "tcp://db.example", "tcp://db.example:0", "udp://db.example:53"].map((where) =>
    needing(where, "dependencies.db"),
  ),
  duration(["restart", "within"], "8d"),
  duration(["restart", "backoff", "initial"], "2h"),
  duration(["restart", "backoff", "max"], "0ms"),
  duration(["restart", "backoff", "max"], "2d"),
  rule({ command: [] }, "command = [ ];", "command"),
  rule({ command: ["bin/worker"] }, 'command = [ "bin/worker" ];', "command"),
  rule({ environment: { DARUMA_STATE_DIR: "/x" } }, 'environment.DARUMA_STATE_DIR = "/x";', "environment"),
  rule({ environment: { INVOCATION_ID: "x" } }, 'environment.INVOCATION_ID = "x";', "environment"),
  rule({ environment: { "A B": "x" } }, 'environment."A B" = "x";', "environment"),
  rule({ environment: { "1A": "x" } }, 'environment."1A" = "x";', "environment"),
  rule({ environment: { ["x".repeat(256)]: "x" } }, `environment.${"x".repeat(256)} = "x";`, "environment"),
  rule({ credentials: { "a/b": "/run/x" } }, 'credentials."a/b" = "/run/x";', "credentials"),
  rule({ credentials: { ".a": "/run/x" } }, 'credentials.".a" = "/run/x";', "credentials"),
  rule({ credentials: { "a:b": "/run/x" } }, 'credentials."a:b" = "/run/x";', "credentials"),
  rule({ credentials: { KEY: "x" } }, 'credentials.KEY = "x";', "credentials.KEY"),
  rule({ workingDirectory: "srv" }, 'workingDirectory = "srv";', "workingDirectory"),
  rule({ limits: { memory: "1KiB" } }, 'limits.memory = "1KiB";', "limits.memory"),
  rule({ limits: { memory: "1025TiB" } }, 'limits.memory = "1025TiB";', "limits.memory"),
  ...[
    { host: "api.example.com" },
    { host: "*", port: 443 },
    { port: 443 },
    { cidr: "10.0.0.0", port: 1 },
  ].map((entry) =>
    rule(
      { egress: [entry] },
      `egress = [ { ${Object.entries(entry)
        .map(([key, value]) => `${key} = ${JSON.stringify(value)};`)
        .join(" ")} } ];`,
      "egress[0]",
    ),
  ),
  rule({ egress: [{ host: "a.b", port: 0 }] }, 'egress = [ { host = "a.b"; port = 0; } ];', "egress[0]"),
  rule(
    { egress: [{ host: "a.b", port: 1, protocol: "udp" }] },
    'egress = [ { host = "a.b"; port = 1; protocol = "udp"; } ];',
    "egress[0]",
  ),
  rule(
    { egress: ["a.b:1", { host: "a.b", port: 1, prot: "tcp" }] },
    'egress = [ { host = "a.b"; port = 1; } { host = "a.b"; port = 1; prot = "tcp"; } ];',
    "egress[1]",
  ),
  {
    host: { egress: { limits: { idle: "2d" } } },
    nix: '{ egress = host.egress // { limits = host.egress.limits // { idle = "2d"; }; }; }',
    option: "services.daruma.egress.limits.idle",
  },
  {
    host: { egress: { deny: [{ cidr: "10/8" }] } },
    nix: '{ egress = host.egress // { deny = [ { cidr = "10/8"; } ]; }; }',
    option: "services.daruma.egress.deny[0]",
  },
  {
    host: { watchdog: { probation: "8d" } },
    nix: '{ watchdog.probation = "8d"; }',
    option: "services.daruma.watchdog.probation",
  },
];

/** The store of the test's Nix is elsewhere, and a host's name is the key in a fleet file. */
const refusedInNix: readonly Rule[] = [
  rule({}, `credentials.KEY = "\${builtins.storeDir}/secret";`, "credentials.KEY"),
  ...["", "-a", "a-", "A", "a.b", "x".repeat(64)].map((host) => ({
    nix: `{ host = ${JSON.stringify(host)}; }`,
    option: "services.daruma.host",
  })),
];

/** What is about several options at once is said when the host is built, by the rules of the fleet file themselves. */
const refusedAtBuild: readonly Rule[] = [
  beating({ silence: "5s" }, "silence"),
  duration(["restart", "backoff", "max"], "99ms"),
  { ...duration(["restart", "within"], "1ms"), option: at("restart.attempts") },
  rule(
    {
      egress: [
        { host: "a.b", port: 1, forward: 9000 },
        { host: "c.d", port: 1, forward: 9000 },
      ],
    },
    'egress = [ { host = "a.b"; port = 1; forward = 9000; } { host = "c.d"; port = 1; forward = 9000; } ];',
    "egress[1]",
  ),
  {
    nix: "{ agents = { a1 = agent; a2 = agent; }; }",
    option: 'services.daruma.agents."a2".health.http',
  },
];

/** What systemd would drop or read differently. */
const refusedForSystemd: readonly Rule[] = [
  ...['/usr/bin/"worker"', "/usr/bin/it's", "/usr/bin/a\\b", "/usr/bin/a\nb"].map((path) =>
    rule({ command: [path] }, `command = [ ${JSON.stringify(path)} ];`, "command"),
  ),
  ...["/srv/a\nb", "/srv/a\tb", "/srv//a", "/srv/../a", "/srv/.", "/srv/a/..", "/srv/a ", "/srv/a\\"].flatMap(
    (path) => [
      rule({ workingDirectory: path }, `workingDirectory = ${JSON.stringify(path)};`, "workingDirectory"),
      rule({ credentials: { KEY: path } }, `credentials.KEY = ${JSON.stringify(path)};`, "credentials.KEY"),
    ],
  ),
  ...["/run/a b", "/run/a\\b"].map((path) =>
    rule({ credentials: { KEY: path } }, `credentials.KEY = ${JSON.stringify(path)};`, "credentials.KEY"),
  ),
];

const accepted: readonly Rule[] = [
  ...["aa", "a1", "a--b", "x".repeat(28)].map(named),
  duration(["startup"], "1ms"),
  duration(["startup"], "1d"),
  duration(["stop", "grace"], "1h"),
  duration(["health", "every"], "10ms"),
  duration(["health", "every"], "60m"),
  duration(["health", "expect", "within"], "10m"),
  rule(
    { restart: { exits: { "0": "failure", "255": "success", SIGKILL: "temporary" } } },
    'restart = agent.restart // { exits = { "0" = "failure"; "255" = "success"; SIGKILL = "temporary"; }; };',
    "",
  ),
  expecting({ json: { "/a~1b~0/0": true } }, 'json."/a~1b~0/0" = true;', ""),
  beating({ every: "10ms", silence: "1d" }, ""),
  rule({ progress: { within: "100ms" } }, 'progress.within = "100ms";', ""),
  using({ sustained: "1s", restartWithin: "0s", memory: "1MiB", cpu: 0.5, io: "1B", latency: "1ms" }, ""),
  using({ openFiles: 1, tasks: 1 }, ""),
  leaking({ growth: "1KiB", within: "10s" }, ""),
  ...["tcp://db_1.example:5432", "tcp://[::1]:65535", "https://api.example/health"].map((where) =>
    needing(where, ""),
  ),
  duration(["restart", "within"], "7d"),
  duration(["restart", "backoff", "initial"], "0h"),
  duration(["restart", "backoff", "max"], "1d"),
  duration(["restart", "backoff", "max"], "100ms"),
  rule(
    { environment: { PATH: "", _x: "y", ["x".repeat(255)]: "" } },
    `environment = { PATH = ""; _x = "y"; ${"x".repeat(255)} = ""; };`,
    "",
  ),
  rule(
    { credentials: { "a.b-c_1": "/run/secrets/é%$x" } },
    `credentials."a.b-c_1" = "/run/secrets/é%$x";`,
    "",
  ),
  rule({ workingDirectory: "/" }, 'workingDirectory = "/";', ""),
  rule({ workingDirectory: "/srv/a b/.c/..d" }, 'workingDirectory = "/srv/a b/.c/..d";', ""),
  rule({ limits: { memory: "1024KiB" } }, 'limits.memory = "1024KiB";', ""),
  rule({ limits: { memory: "1024TiB" } }, 'limits.memory = "1024TiB";', ""),
  rule(
    { egress: ["*.a.b:443", { cidr: "fd00::/8", port: 1 }] },
    'egress = [ { host = "*.a.b"; port = 443; } { cidr = "fd00::/8"; port = 1; } ];',
    "",
  ),
  { host: { watchdog: { probation: "7d" } }, nix: '{ watchdog.probation = "7d"; }', option: "" },
];

/** For each rule, the messages of the assertions that fail. */
function failures(rules: readonly Rule[]): string[][] {
  const messages =
    "change: map (each: each.message) (builtins.filter (each: !each.assertion) (asserts (merge change)))";
  return evaluateRules(rules, messages) as string[][];
}

/** For each rule, what the build of the host says. */
function refusals(rules: readonly Rule[]): string[][] {
  const settings = evaluateRules(rules, "merge") as readonly unknown[];
  return settings.map((each) =>
    // In Nix, names stand in quotes.
    checkHostSettings(each).map(({ path, message }) => `${bare(path)}: ${message}`),
  );
}

function bare(path: string): string {
  return path.replaceAll(/\["(.*?)"\]/g, ".$1").replaceAll('"', "");
}

function evaluateRules(rules: readonly Rule[], judge: string): unknown {
  const host = nixHost({ agents: { worker: { command: [program], health: { http: url } } } });
  return evaluateNix(`
    let
      host = ${host};
      agent = host.agents.worker;
      # Sets what is at the path, all else as it was.
      update = path: value: old:
        if path == [ ] then value
        else old // { \${builtins.head path} = update (builtins.tail path) value (old.\${builtins.head path} or { }); };
      asserts = import ${nixPath("modules/asserts.nix")};
      merge = change: host // change // (if change ? watchdog then { watchdog = host.watchdog // change.watchdog; } else { });
    in
    map (${judge}) [ ${rules.map(({ nix }) => `(${nix})`).join("\n")} ]
  `);
}

function fleetOf({ agent, host, name = "worker" }: Rule): unknown {
  const worker = { command: [program], health: { http: url }, ...agent };
  return { hosts: { h: { system: "x86_64-linux", agents: { [name]: worker }, ...host } } };
}

t.test(
  "what a fleet file refuses is refused in Nix, with the option's name",
  { skip: withoutNix },
  async (t) => {
    for (const [index, messages] of failures(refused).entries()) check(t, refused[index], messages);
    for (const each of refused) t.notOk(decodeFleet(fleetOf(each)).ok, `the fleet file: ${each.nix}`);
  },
);

t.test(
  "what a fleet file refuses does not build, and the message names the option",
  { skip: withoutNix },
  async (t) => {
    const rules = [...refused, ...refusedAtBuild];
    for (const [index, messages] of refusals(rules).entries()) {
      const option = bare(rules[index]?.option ?? "");
      t.ok(
        messages.some((message) => message.startsWith(option)),
        `${rules[index]?.nix}: ${messages.join("; ")}`,
      );
    }
    for (const each of refusedAtBuild.slice(0, -1))
      t.notOk(decodeFleet(fleetOf(each)).ok, `the fleet file: ${each.nix}`);
    for (const [index, messages] of refusals(accepted).entries())
      t.same(messages, [], accepted[index]?.nix ?? "");
  },
);

t.test("what only Nix can see is refused there", { skip: withoutNix }, async (t) => {
  const rules = [...refusedInNix, ...refusedForSystemd];
  for (const [index, messages] of failures(rules).entries()) check(t, rules[index], messages);
});

t.test("what a fleet file accepts is accepted in Nix", { skip: withoutNix }, async (t) => {
  for (const [index, messages] of failures(accepted).entries())
    t.same(messages, [], accepted[index]?.nix ?? "");
  for (const each of accepted) t.ok(decodeFleet(fleetOf(each)).ok, `the fleet file: ${each.nix}`);
});

t.test(
  "units.nix makes nothing of a host that is refused, and says all that is wrong",
  { skip: withoutNix },
  async (t) => {
    const host = nixHost({ agents: {} });
    const evaluates = (change: string) =>
      evaluateNix(`
      let units = import ${nixPath("modules/units.nix")} {
        spec = ${host} // { ${change} };
        pkgs = { coreutils = ""; nix = ""; systemd = ""; runtimeShell = ""; };
        daruma = "";
        hostSeed = "";
      };
      in (builtins.tryEval (builtins.deepSeq units.unitTexts true)).success
    `);
    t.same([evaluates(""), evaluates('host = "..";')], [true, false]);
  },
);

function check(t: Test, rule: Rule | undefined, messages: readonly string[]): void {
  t.ok(
    messages.some((message) => message.startsWith(`${rule?.option}: `)),
    `${rule?.nix} is refused: ${messages.join("; ")}`,
  );
}
