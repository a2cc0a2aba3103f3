// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the interpolations of Nix
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { character } from "@daruma/base/test-support";
import { decodeFleet, type Fleet, type HostSpec, hostSpecs, nixpkg, source, type Word } from "@daruma/config";
import fc from "fast-check";
import t, { type Test } from "tap";
import { compileFleet } from "./compile.ts";
import { hostOf, type NixHost, stubPaths, withPaths } from "./nix-host.ts";
import { evaluateNix, nixpkgsLib, withoutLib, withoutNix } from "./nix-support.ts";
import { loadTemplates } from "./templates.ts";

/* Generated files, read by a real Nix and held against the spec that they were printed from. */

const templates = await loadTemplates();
const modules = new URL("../../../../modules/", import.meta.url);

function fleetOf(hosts: object): Fleet {
  const decoded = decodeFleet({ hosts });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.fleet;
}

function compile(
  fleet: Fleet,
  root = "/srv/fleet",
  out = join(root, "generated"),
): ReadonlyMap<string, string> {
  return compileFleet(fleet, { configFile: join(root, "fleet.config.ts"), out, templates });
}

const node = nixpkg("nodejs_24", "bin/node");
/** Stand-ins for packages: what `pkgs` is to a generated file. */
const stubPackages =
  '{ nodejs_24 = "/stub/nodejs_24"; python3Packages.pip = "/stub/pip"; "3proxy" = "/stub/3proxy"; }';

const text = fc
  .oneof(fc.string({ unit: character }), fc.string({ unit: fc.constantFrom(..."${}\\\"'\n\r\t #;") }))
  .map((value) => value.replaceAll("\u0000", ""))
  .filter((value) => value.isWellFormed());
const directories = ["./agent", './odd "dir" ${x} \'é', "../beside"];
const word: fc.Arbitrary<Word> = fc.oneof(
  text,
  fc.constantFrom(...Object.keys(stubPaths)).map((attribute) => nixpkg(attribute, "bin/${x}")),
  fc.constantFrom(...directories).map((directory) => source(directory, 'ma"in.js')),
);
const milliseconds = fc.integer({ min: 1, max: 3_600_000 }).map((value) => `${value}ms`);
const agent = fc.record(
  {
    command: fc.array(word).map((rest) => [node, ...rest]),
    environment: fc.dictionary(fc.stringMatching(/^[A-Z][A-Z0-9_]{0,9}$/), word),
    credentials: fc.dictionary(
      fc.stringMatching(/^[A-Z][A-Z0-9_.-]{0,9}$/),
      fc.constant("/run/secrets/${x} \\ y"),
    ),
    startup: milliseconds,
    stop: fc.record({ signal: fc.constantFrom("SIGTERM", "SIGINT"), grace: milliseconds }),
    limits: fc.option(fc.record({ memory: fc.integer({ min: 1, max: 4096 }).map((n) => `${n}MiB`) }), {
      nil: {},
    }),
    health: fc.record({
      http: fc.integer({ min: 1, max: 65_535 }).map((port) => `http://127.0.0.1:${port}/`),
      expect: fc.constantFrom(
        {},
        { contains: 'a "quoted" ${word}' },
        { json: { "/status": "ok", "/a~1b/0": 1.5, "/stuck": false, "/error": null } },
      ),
    }),
    heartbeat: fc.constantFrom({ through: "http" }, { through: "notify", every: "1500ms", silence: "1m" }),
    progress: fc.constant({ within: "90s" }),
    resources: fc.constantFrom(
      {},
      { memory: "300MiB", leak: { growth: "1MiB" }, cpu: 1.5, openFiles: 12, latency: "400ms" },
      {
        leak: { growth: "64MiB", within: "20m" },
        tasks: 9,
        io: "5MiB",
        sustained: "90s",
        restartWithin: "0ms",
      },
    ),
    dependencies: fc.constantFrom({}, { db: "tcp://db.example:5432", "a b": "https://api.example/x?y=$z" }),
    restart: fc.record({
      when: fc.constantFrom("always", "on-failure", "never"),
      exits: fc.constantFrom({}, { "3": "temporary", SIGUSR1: "success" }),
      attempts: fc.integer({ min: 1, max: 5 }),
      backoff: fc.record({
        kind: fc.constantFrom("fixed", "linear", "exponential"),
        factor: fc.integer({ min: 1, max: 8 }),
        jitter: fc.constantFrom(0, 0.25, 1),
      }),
    }),
    egress: fc.constantFrom(
      [],
      ["*.Example.com:443", { cidr: "fd00::/8", port: 22 }],
      [{ host: "db_1.internal", port: 5432, protocol: "postgres", private: true, forward: 15432 }],
    ),
    escalate: fc.constantFrom(["rollback"], ["alert"], ["alert", "rollback"]),
    required: fc.boolean(),
  },
  { requiredKeys: ["command"] },
);
/** A probe has to tell agents apart. */
const ownUrls = (agents: Readonly<Record<string, { readonly health?: { readonly http: string } }>>) => {
  const urls = Object.values(agents).flatMap(({ health }) => health?.http ?? []);
  return new Set(urls.map((url) => new URL(url).href)).size === urls.length;
};
/** A port of the loopback address belongs to one agent. */
const oneForward = (agents: Readonly<Record<string, { readonly egress?: readonly unknown[] }>>) =>
  Object.values(agents).filter(({ egress }) => JSON.stringify(egress ?? []).includes("forward")).length < 2;
const host = fc.record(
  {
    system: fc.constantFrom("x86_64-linux", "aarch64-linux"),
    agents: fc
      .dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/), agent, { maxKeys: 4 })
      .filter(oneForward)
      .filter(ownUrls),
    egress: fc.record({
      mode: fc.constantFrom("enforce", "observe"),
      allow: fc.constantFrom([], ["cache.example.com:80"]),
      deny: fc.constantFrom([], ["paste.example", { cidr: "203.0.113.0/24" }]),
      limits: fc.constantFrom({}, { bytes: "5GiB", idle: "30s" }),
    }),
  },
  { requiredKeys: ["system", "agents"] },
);

/** Writes generated hosts of random fleets to disk, with the sources that they name. */
function writeRandomHosts(t: Test): {
  readonly specs: readonly HostSpec[];
  readonly files: readonly string[];
} {
  const root = join(t.testdir({}), "fleet");
  for (const directory of directories) {
    mkdirSync(join(root, directory), { recursive: true });
    writeFileSync(join(root, directory, 'ma"in.js'), "");
  }
  const samples = fc.sample(host, { numRuns: 40, seed: 2026 });
  const fleet = fleetOf(Object.fromEntries(samples.map((sample, index) => [`host-${index}`, sample])));
  const generated = join(root, "generated");
  const files = [...compile(fleet, root)].map(([path, content]) => {
    const file = join(generated, path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, content);
    return file;
  });
  return { specs: hostSpecs(fleet), files };
}

const nixPath = (path: string) => `(/. + ${JSON.stringify(path)})`;

t.test("Nix reads every value of a generated host back", { skip: withoutNix }, async (t) => {
  const { specs, files } = writeRandomHosts(t);
  const hosts = evaluateNix(
    `map (file: (import file { lib = { }; pkgs = ${stubPackages}; }).services.daruma) [ ${files.map(nixPath).join(" ")} ]`,
  ) as NixHost[];
  t.equal(hosts.length, specs.length);
  for (const [index, spec] of specs.entries())
    t.same(hosts[index] && hostOf(hosts[index]), withPaths(spec), spec.host);
});

t.test(
  "the option types accept every generated host and change no value",
  { skip: withoutLib },
  async (t) => {
    const { specs, files } = writeRandomHosts(t);
    const options = nixPath(new URL("options.nix", modules).pathname);
    const hosts = evaluateNix(`
    let lib = import ${nixPath(nixpkgsLib ?? "")};
    evaluate = file: (lib.evalModules {
      modules = [ ${options} file ];
      specialArgs.pkgs = ${stubPackages};
    }).config.services.daruma;
    in map evaluate [ ${files.map(nixPath).join(" ")} ]
  `) as NixHost[];
    for (const [index, spec] of specs.entries())
      t.same(hosts[index] && hostOf(hosts[index]), withPaths(spec), spec.host);
  },
);

t.test("the option types refuse what the fleet file refuses", { skip: withoutLib }, async (t) => {
  const wrong = [
    'startup = "-5s"',
    'startup = "1.5m"',
    "startup = 30",
    'limits.memory = "512MB"',
    "command = [ ]",
    'health.every = "3s"',
    'health.http = "ftp://x"',
    'stop.signal = "SIGKILL"',
    "restart.attempts = 0",
    "restart.backoff.jitter = 1.5",
    'credentials.KEY = "relative"',
    'credentials.KEY = "${builtins.storeDir}/x"',
    "escalate = [ ]",
    "helth = null",
  ];
  const options = nixPath(new URL("options.nix", modules).pathname);
  const accepted = evaluateNix(`
    let lib = import ${nixPath(nixpkgsLib ?? "")};
    accepts = agent: (builtins.tryEval (builtins.deepSeq (lib.evalModules {
      modules = [ ${options} { services.daruma.agents.aa = agent; } { services.daruma.agents.aa.command = lib.mkDefault [ "/x" ]; } ];
    }).config.services.daruma.agents true)).success;
    in map accepts [ { } ${wrong.map((setting) => `{ ${setting}; }`).join(" ")} ]
  `);
  t.same(accepted, [true, ...wrong.map(() => false)]);
});
