import { decodeFleet, type Fleet, nixpkg, source } from "@daruma/config";
import t from "tap";
import { type DiffOptions, diffFleets } from "./diff.ts";
import { hasChanges } from "./document.ts";
import { describeDiff } from "./words.ts";

const agent = {
  command: [nixpkg("nodejs_24", "bin/node"), source("./web", "main.js")],
  environment: { MODE: "fast" },
  egress: ["api.example.com:443"],
};

function fleetOf(hosts: object): Fleet {
  const decoded = decodeFleet({ hosts });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.fleet;
}

const one = (change: object, host: object = {}) =>
  fleetOf({ web: { system: "x86_64-linux", agents: { aa: { ...agent, ...change }, zz: agent }, ...host } });

const same: DiffOptions = { sourceState: () => "same", notes: [] };

function told(before: Fleet, after: Fleet, options = same): string[] {
  return describeDiff(diffFleets(before, after, options))
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

const rest =
  "left alone: daruma-agent-zz.service, daruma-egressd.service, daruma-egress-wall.service, daruma-egress-watch.service, daruma-egress-self-test.path";

t.test("a fleet that is the same changes nothing", async (t) => {
  const found = diffFleets(one({}), one({}), same);
  t.equal(hasChanges(found), false);
  t.match(found.hosts, [{ state: "unchanged" }]);
  t.ok(found.hosts[0]?.units.every(({ action }) => action === "none"));
});

t.test("what an agent runs by restarts it, and is named without its values", async (t) => {
  t.same(told(one({}), one({ environment: { MODE: "s3cret", NEW: "1" } })), [
    "web changes",
    "daruma-agent-aa.service is restarted: environment.MODE, environment.NEW",
    rest,
  ]);
  t.match(told(one({}), one({ stop: { grace: "5s" } })), [
    "web changes",
    "daruma-agent-aa.service is restarted: stop.grace",
    rest,
    "policy: aa, stop.grace: 30s -> 5s",
  ]);
  t.same(told(one({}), one({}), { ...same, sourceState: () => "changed" }).slice(0, 3), [
    "web changes",
    "daruma-agent-aa.service is restarted: the code in ./web",
    "daruma-agent-zz.service is restarted: the code in ./web",
  ]);
});

t.test("what only the watchdog looks at changes policies and leaves units alone", async (t) => {
  t.same(
    told(
      one({}),
      one(
        { restart: { attempts: 5 }, escalate: ["alert"], required: false },
        { watchdog: { probation: "1h" } },
      ),
    ),
    [
      "web changes",
      `left alone: daruma-agent-aa.service, ${rest.slice("left alone: ".length)}`,
      "policy: watchdog.probation: 10m -> 1h",
      "policy: aa, restart.attempts: 3 -> 5",
      "policy: aa, escalate: rollback, alert -> alert",
      "policy: aa, required: true -> false",
    ],
  );
});

t.test("egress is told as what is opened and what is closed", async (t) => {
  const opened = (before: object, after: object, hosts: [object, object] = [{}, {}]) =>
    told(one(before, hosts[0]), one(after, hosts[1])).filter((line) => /egress (opened|closed)/.test(line));
  t.same(opened({}, { egress: ["api.example.com:443", "*.b.example.com:443"] }), [
    "! egress opened: aa, *.b.example.com:443 (tls)",
  ]);
  t.same(opened({}, { egress: [{ host: "api.example.com", port: 443, private: true }] }), [
    "! egress opened: aa, api.example.com:443 (tls, also at private addresses)",
    "egress closed: aa, api.example.com:443 (tls)",
  ]);
  const { egress, ...open } = agent;
  const bare = (value: object) => fleetOf({ web: { system: "x86_64-linux", agents: { aa: value } } });
  t.same(told(bare(agent), bare(open)), [
    "web changes",
    "daruma-agent-aa.service is restarted: egress",
    "daruma-egressd.service is stopped and removed: no agent and no routine has egress rules any more",
    "daruma-egress-wall.service is stopped and removed: no agent and no routine is confined any more",
    "daruma-egress-watch.service is stopped and removed: no agent and no routine is confined any more",
    "daruma-egress-self-test.path is stopped and removed: no agent and no routine is confined any more",
    "! egress opened: aa, everything: there are no rules",
    "egress closed: aa, api.example.com:443 (tls)",
  ]);
  const denied = { egress: { deny: ["paste.example"] } };
  t.match(opened({}, {}, [denied, {}]), [/! egress opened: aa, paste\.example.*denied/, /opened: zz, paste/]);
  t.match(opened({}, {}, [{}, { egress: { mode: "observe" } }]), [
    "! egress opened: aa, everything: its rules are only observed",
    "! egress opened: zz, everything: its rules are only observed",
  ]);
  t.equal(egress.length, 1);
});

t.test("a wall whose ports change is reloaded, in place", async (t) => {
  const forward = { host: "db.example.com", port: 5432, protocol: "postgres", forward: 15432 };
  const found = diffFleets(one({}), one({ egress: [...agent.egress, forward] }), same);
  t.match(
    found.hosts[0]?.units.find(({ unit }) => unit === "daruma-egress-wall.service"),
    { action: "reload" },
  );
});

t.test("hosts and agents come and go", async (t) => {
  const host = { system: "x86_64-linux", agents: { aa: agent } };
  const lines = told(
    fleetOf({ gone: host, web: host }),
    fleetOf({ new: host, web: { ...host, agents: { bb: agent } } }),
  );
  t.match(lines, [
    "gone is not in the fleet any more; what runs on it goes on until somebody stops it",
    "new is new",
    "daruma-agent-aa.service is started: it is new",
    /egressd.*started/,
    /wall/,
    /watch/,
    /self-test/,
    "! egress opened: aa, api.example.com:443 (tls)",
    "web changes",
    "daruma-agent-aa.service is stopped and removed: it is removed",
    "daruma-agent-bb.service is started: it is new",
  ]);
});

t.test("what is said about the whole fleet is a change", async (t) => {
  const found = diffFleets(one({}), one({}), { ...same, notes: ["flake.lock changes"] });
  t.equal(hasChanges(found), true);
  t.same(describeDiff(found), ["note: flake.lock changes", "1 host is left as it is"]);
});

t.test("of routines is told what is new from their next run on, and when they run", async (t) => {
  const nightly = { command: agent.command, schedule: "0 2 * * *", egress: ["api.example.com:443"] };
  const host = (routines: object) => one({}, { routines });
  const units = (before: object, after: object, options = same) =>
    told(host(before), host(after), options).filter(
      (line) => /routine/.test(line) && !/left alone/.test(line),
    );
  t.same(units({ nightly }, { nightly }), []);
  t.same(units({}, { nightly }), [
    "daruma-routine-nightly@.service is added, and runs when it is due: it is new",
    "! egress opened: routine:nightly, api.example.com:443 (tls)",
  ]);
  t.same(units({ nightly }, {}), [
    "daruma-routine-nightly@.service is removed, and what runs of it goes on to its end: it is removed",
    "egress closed: routine:nightly, api.example.com:443 (tls)",
  ]);
  const changed = { ...nightly, schedule: "0 3 * * *", retries: 2, environment: { A: "1" }, egress: [] };
  t.same(units({ nightly }, { nightly: changed }), [
    "daruma-routine-nightly@.service changes from its next run on: environment.A, egress",
    "egress closed: routine:nightly, api.example.com:443 (tls)",
    "policy: routine:nightly, schedule: 0 2 * * * -> 0 3 * * *",
    "policy: routine:nightly, retries: 0 -> 2",
  ]);
  const code = units({ nightly }, { nightly }, { ...same, sourceState: () => "changed" });
  t.same(code, ["daruma-routine-nightly@.service changes from its next run on: the code in ./web"]);
});

t.test("who is told of what is told, and that watchd is restarted for other secrets", async (t) => {
  const sinks = { chat: { kind: "slack", credential: "/run/secrets/chat" } };
  const bare = (alerts: object) =>
    fleetOf({ web: { system: "x86_64-linux", agents: { aa: { command: agent.command } }, alerts } });
  const lines = told(bare({}), bare({ sinks }));
  t.ok(lines.includes("daruma-egressd.service is started: alerts have sinks"), lines.join("\n"));
  t.ok(lines.includes("daruma-watchd.service is restarted: the secrets of its alerts"), lines.join("\n"));
  t.ok(
    lines.some((line) => line.startsWith("policy: alerts.sinks.chat: ")),
    lines.join("\n"),
  );
  const later = told(bare({ sinks }), bare({ sinks, giveUp: "1d" }));
  t.notOk(later.some((line) => line.includes("daruma-watchd.service is restarted")));
  t.ok(
    later.some((line) => line.includes("alerts.giveUpMs: 259200000 -> 86400000")),
    later.join("\n"),
  );
});
