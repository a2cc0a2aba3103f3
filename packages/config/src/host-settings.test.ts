import t from "tap";
import { decodeFleet } from "./decode.ts";
import { hostProxyPorts } from "./egress/ports.ts";
import { agentEgress, routineSubject } from "./egress/rule.ts";
import { checkHostManifest, checkHostSettings } from "./host-settings.ts";
import { hostSpecs } from "./host-spec.ts";
import type { HostManifest } from "./manifest.ts";
import { parseManifest } from "./parse-manifest.ts";

const settings = {
  host: "etl-01",
  system: "x86_64-linux",
  watchdog: { probation: "5m", rollbackBudget: 2, restartsAtOnce: 3 },
  drift: { policy: "correct", ignore: ["/etc/resolv.conf"] },
  egress: { allow: ["cache.example.com:443"], deny: [{ cidr: "203.0.113.0/24" }], limits: { bytes: "1GiB" } },
  alerts: {
    sinks: { pager: { kind: "pagerduty", credential: "/run/secrets/pager" } },
    quiet: { from: "22:00", to: "07:00", timezone: "Europe/Berlin" },
    deadMansSwitch: { credential: "/run/secrets/monitor", url: "https://hc-ping.com" },
  },
  // Of these host.json tells nothing.
  metrics: { port: 9464 },
  agents: {
    enricher: {
      command: ["/bin/enricher"],
      health: { http: "http://127.0.0.1:1/", expect: { json: { "/ok": true } } },
      heartbeat: { through: "http", every: "5s", silence: "20s" },
      progress: { within: "1h" },
      resources: { memory: "1GiB", leak: { growth: "64MiB", within: "1h" } },
      dependencies: { db: "tcp://127.0.0.1:5432" },
      restart: { exits: { 75: "temporary" } },
      fallback: { environment: { MODEL: "small" } },
      egress: ["api.example.com:443"],
    },
  },
  routines: {
    nightly: {
      command: ["/bin/nightly"],
      schedule: "0 2 * * *",
      on: { ledger: [{ action: "agent.exit" }] },
      webhook: {
        path: "/hooks/nightly",
        scheme: "github",
        secrets: ["/run/secrets/hook"],
        listen: "0.0.0.0:8080",
      },
      expect: { loaded: { min: 1 } },
      egress: [{ host: "db", port: 5432, private: true, forward: 15_433 }],
    },
  },
};

/** What Nix is to make of the settings. */
function manifestOf(given: typeof settings): HostManifest {
  const { host, ...rest } = given;
  const decoded = decodeFleet({ hosts: { [host]: rest } });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const [spec] = hostSpecs(decoded.fleet);
  if (spec === undefined) throw new Error("a fleet of one host has a host");
  const { metrics: _, egress, agents, routines, ...same } = spec;
  const ports = hostProxyPorts(spec);
  const made = <T extends { readonly egress: Parameters<typeof agentEgress>[1] }>(
    each: T,
    subject: string,
  ) => ({
    ...each,
    digest: "d",
    egress: { ...agentEgress(egress, each.egress), port: ports.get(subject) },
  });
  const agent = made(agents.enricher ?? fail(), "enricher");
  const enricher = { ...agent, fallback: { ...agent.fallback, digest: "f" } };
  const nightly = made(routines.nightly ?? fail(), routineSubject("nightly"));
  const manifest = { ...same, hostDigest: "h", agents: { enricher }, routines: { nightly } };
  return parseManifest(JSON.stringify(manifest));
}

function fail(): never {
  throw new Error("it is gone");
}

type Path = readonly (string | number)[];

/** Every place of a document that holds no other. */
function leaves(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const members = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return members.length === 0 ? [path] : members.flatMap(([key, each]) => leaves(each, [...path, key]));
}

function withChange(document: unknown, [key, ...rest]: Path): unknown {
  if (key === undefined) return "changed";
  const copy: unknown = structuredClone(document);
  if (typeof copy !== "object" || copy === null) throw new Error(`nothing is at ${key}`);
  Reflect.set(copy, key, withChange(Reflect.get(copy, key), rest));
  return copy;
}

t.test("whatever of host.json is not what agentctl would have made of the options is found", async (t) => {
  t.same(checkHostSettings(settings), []);
  const manifest = manifestOf(settings);
  t.same(checkHostManifest(settings, manifest), []);
  const all = leaves(manifest).filter((path) => !/digest$/i.test(String(path.at(-1))));
  const sections = new Set(all.map(([section]) => section));
  t.same(
    [...sections].sort(),
    ["agents", "alerts", "drift", "host", "routines", "schemaVersion", "system", "watchdog"],
    "all of it is there to be changed",
  );
  const missed = all.filter((path) => {
    const found = checkHostManifest(settings, withChange(manifest, path) as HostManifest);
    return found.length !== 1 || !found[0]?.path.startsWith(`host.json: ${String(path[0])}`);
  });
  t.same(missed, []);
  t.ok(all.length > 100, `${all.length} places`);
});

t.test("what is missing in host.json, and what nobody asked for, is found", async (t) => {
  const { drift: _, alerts: __, ...less } = manifestOf(settings);
  t.same(
    checkHostManifest(settings, less).map(({ path }) => path),
    ["host.json: alerts", "host.json: drift"],
  );
  const { alerts: ___, ...silent } = settings;
  t.same(
    checkHostManifest(silent, manifestOf(settings)).map(({ path }) => path),
    ["host.json: alerts"],
  );
});
