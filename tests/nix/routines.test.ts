import { readFileSync } from "node:fs";
import {
  type AgentInput,
  agentEgress,
  checkHostManifest,
  checkHostSettings,
  type HostManifest,
  hostProxyPorts,
  nixpkg,
  parseManifest,
  type RoutineInput,
  routineSubject,
} from "@daruma/config";
import t from "tap";
import {
  evaluateNix,
  hostSpecOf,
  must,
  nixHost,
  packages,
  type Units,
  unitsOf,
  withoutNix,
} from "./support.ts";

const node = nixpkg("nodejs_24", "bin/node");
const agent: AgentInput = { command: [node, "/srv/agent/main.js"] };
/** Every setting with a value of its own. */
const nightly: RoutineInput = {
  command: [node, "/srv/etl/main.js", "--rate=100%", "$HOME"],
  environment: { LOG_LEVEL: "100%" },
  workingDirectory: "/srv/etl",
  credentials: { API_KEY: "/run/secrets/etl-api-key" },
  schedule: "0 2 * * *\n@every 90m",
  timezone: "Europe/Berlin",
  atBoot: true,
  after: ["extract"],
  on: {
    failed: ["extract"],
    recovered: ["enricher"],
    ledger: [{ action: "generation.*" }, { action: "agent.exit", subject: "enricher" }],
    files: ["/srv/inbox"],
  },
  webhook: {
    path: "/hooks/etl",
    scheme: "github",
    secrets: ["/run/secrets/hook"],
    listen: "0.0.0.0:8080",
    body: "2MiB",
  },
  overlap: "parallel",
  limit: 3,
  missed: "all",
  catchUp: "2d",
  jitter: "5m",
  deadline: "1h",
  group: "warehouse",
  retries: 4,
  backoff: { kind: "linear", initial: "200ms", factor: 3, max: "1m", jitter: 0.1 },
  timeout: "2h",
  expect: { loaded: { min: 1, deviation: 0.5 }, errors: { max: 0 } },
  limits: { memory: "512MiB" },
  stop: { signal: "SIGINT", grace: "20s" },
  egress: ["api.example.com:443", { host: "db", port: 5432, private: true, forward: 15433 }],
};
const extract: RoutineInput = { command: ["/usr/bin/extract"] };

const manifestOf = (units: Units): HostManifest => parseManifest(must(units.etc, "daruma/host.json").text);

t.test("the template of a routine's runs is as it was reviewed", { skip: withoutNix }, async (t) => {
  const cases = [
    { agents: { enricher: agent }, host: { routines: { nightly, extract } } },
    { agents: { enricher: agent }, host: { routines: { extract } } },
  ];
  const [units, fewer] = unitsOf(cases);
  if (units === undefined || fewer === undefined) throw new Error("two hosts give two results");
  const golden = readFileSync(new URL("golden/daruma-routine-nightly@.service", import.meta.url), "utf8");
  t.equal(must(units.unitTexts, "daruma-routine-nightly@.service"), golden);
  t.same(must(units.users, "dr-nightly"), {
    description: "Daruma routine nightly",
    group: "dr-nightly",
    home: "/var/lib/daruma/routines/nightly",
  });
  t.ok(
    ["/var/lib/daruma/routines/nightly", "/run/daruma/routines/nightly"].every((path) =>
      units.tmpfiles.includes(`d ${path} 2750 root dr-nightly -`),
    ),
    "what watchd makes for a run is of the routine's group",
  );

  await t.test("one more changes no other unit, and nobody's digest", async (t) => {
    const kept = Object.entries(fewer.unitTexts).filter(([name]) => !name.includes("egress"));
    t.has(units.unitTexts, Object.fromEntries(kept));
    t.equal(manifestOf(units).hostDigest, manifestOf(fewer).hostDigest);
    t.same(manifestOf(units).agents, manifestOf(fewer).agents);
    t.same(manifestOf(units).routines.extract, manifestOf(fewer).routines.extract);
  });

  await t.test("watchd reads in host.json what the fleet file says", async (t) => {
    const host = cases[0];
    if (host === undefined) throw new Error("there is no first host");
    const spec = hostSpecOf(host);
    const ports = hostProxyPorts(spec);
    for (const [name, { digest, ...routine }] of Object.entries(manifestOf(units).routines)) {
      const expected = must(spec.routines, name);
      const command = expected.command.map((word) =>
        typeof word === "string" ? word : "/stub/nodejs_24/bin/node",
      );
      const rules = agentEgress(spec.egress, expected.egress);
      const egress = rules && { ...rules, port: ports.get(routineSubject(name)) };
      t.match(digest, /^[0-9a-f]{64}$/);
      t.same(routine, { ...expected, command, egress }, name);
    }
  });

  await t.test("the check at the build knows routines, and what Nix makes of them", async (t) => {
    const [host] = cases;
    if (host === undefined) throw new Error("there is no first host");
    const settings = evaluateNix(`let pkgs = ${packages}; in ${nixHost(host)}`) as {
      readonly routines: { readonly nightly: object };
    };
    const manifest = manifestOf(units);
    t.same(checkHostManifest(settings, manifest), []);
    const withNightly = (change: object) => ({
      ...settings,
      routines: { ...settings.routines, nightly: { ...settings.routines.nightly, ...change } },
    });
    t.match(checkHostManifest(withNightly({ retries: 5 }), manifest), [
      { path: "host.json: routines.nightly.retries" },
    ]);
    t.match(checkHostSettings(withNightly({ schedule: "0 25 * * *" })), [
      { path: "services.daruma.routines.nightly.schedule" },
    ]);
    t.match(checkHostSettings(withNightly({ after: ["nobody"] })), [
      { path: "services.daruma.routines.nightly.after[0]" },
    ]);
  });

  await t.test("the wall knows the routine by its user, and tests it in its sandbox", async (t) => {
    const rules = must(units.etc, "daruma/egress.nft").text;
    t.match(rules, 'meta skuid "dr-nightly" goto routine-nightly\n');
    t.match(rules, "chain routine-nightly {");
    t.match(must(units.unitTexts, "daruma-egress-probe-routine@.service"), "User=dr-%i\n");
    t.notOk("daruma/egress.nft" in fewer.etc);
  });
});

t.test(
  "the digest of a routine changes with what its runs do, not with when they do it",
  { skip: withoutNix },
  async (t) => {
    const changed: Readonly<Record<string, Partial<RoutineInput>>> = {
      "an argument": { command: [node, "/srv/etl/other.js"] },
      "a variable": { environment: {} },
      "the memory limit": { limits: { memory: "1GiB" } },
      "what it may reach": { egress: [] },
      "when it is due": { schedule: "0 3 * * *" },
      "how often it is tried": { retries: 1 },
      "what is expected of it": { expect: {} },
    };
    const same = new Set(["when it is due", "how often it is tried", "what is expected of it"]);
    const variants = [{}, ...Object.values(changed)];
    const results = unitsOf(
      variants.map((change) => ({
        agents: { enricher: agent },
        host: { routines: { extract, nightly: { ...nightly, ...change } } },
      })),
    );
    const [base, ...others] = results.map((units) => manifestOf(units).routines.nightly?.digest);
    for (const [index, what] of Object.keys(changed).entries())
      t.equal(others[index] === base, same.has(what), what);
  },
);
