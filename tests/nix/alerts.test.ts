import { type AlertsManifest, nixpkg, parseManifest } from "@daruma/config";
import t from "tap";
import { type HostCase, hostSpecOf, must, type Units, unitsOf, withoutNix } from "./support.ts";

const app = { command: [nixpkg("nodejs_24", "bin/node"), "/srv/app.js"] } as const;
const alerts = {
  sinks: {
    pager: { kind: "pagerduty", credential: "/run/secrets/pager", fallback: "mail" },
    mail: {
      kind: "email",
      url: "smtps://smtp.example.com:465",
      from: "daruma@example.com",
      to: ["oncall@example.com"],
      user: "daruma",
      credential: "/run/secrets/smtp",
    },
    relay: { kind: "email", url: "smtp://localhost:25", from: "daruma@example.com", to: ["a@example.com"] },
  },
  agents: "escalation",
  after: "3m",
  quiet: { from: "22:00", to: "07:00", timezone: "Europe/Berlin" },
  digest: { after: 7, within: "2m" },
  giveUp: "12h",
  deadMansSwitch: { credential: "/run/secrets/monitor", url: "https://hc-ping.com", every: "90s" },
} as const;
const agents = {
  own: { ...app, alerts: { on: "recovery", after: "1m", to: ["relay"] } },
  other: app,
} as const;

const manifestOf = (units: Units) => parseManifest(must(units.etc, "daruma/host.json").text);

t.test(
  "whom to tell is in host.json as the fleet file says, and changes no digest",
  { skip: withoutNix },
  async (t) => {
    const host: HostCase = { agents, host: { alerts } };
    const [told, silent, switchOnly] = unitsOf([
      host,
      { agents: { own: app, other: app } },
      { agents: { other: app }, host: { alerts: { deadMansSwitch: alerts.deadMansSwitch } } },
    ]);
    if (told === undefined || silent === undefined || switchOnly === undefined)
      throw new Error("three were asked for");
    const manifest = manifestOf(told);
    t.same(manifest.alerts, hostSpecOf(host).alerts);
    t.same((manifest.alerts as AlertsManifest).to, ["pager", "relay"]);
    const before = manifestOf(silent);
    t.equal(before.alerts, undefined);
    t.equal(manifest.hostDigest, before.hostDigest);
    t.equal(manifest.agents.own?.digest, before.agents.own?.digest);
    t.match(manifestOf(switchOnly).alerts, { sinks: {}, deadMansSwitch: { everyMs: 90_000 } });
  },
);

t.test(
  "watchd's unit loads the secrets, starts without them, and has a way out",
  { skip: withoutNix },
  async (t) => {
    const [told, silent] = unitsOf([{ agents, host: { alerts } }, { agents: { other: app } }]);
    if (told === undefined || silent === undefined) throw new Error("two were asked for");
    const text = must(told.unitTexts, "daruma-watchd.service").split("\n");
    t.same(
      text.filter((line) => line.includes("Credential")),
      [
        "LoadCredential=alerts.sink.mail:/run/secrets/smtp",
        "LoadCredential=alerts.sink.pager:/run/secrets/pager",
        "LoadCredential=alerts.dead-mans-switch:/run/secrets/monitor",
        "SetCredential=alerts.sink.mail:",
        "SetCredential=alerts.sink.pager:",
        "SetCredential=alerts.dead-mans-switch:",
      ],
    );
    t.ok("daruma-egressd.service" in told.units, "also where no agent is confined");
    t.notOk("daruma-egress-wall.service" in told.units);
    t.ok("daruma-egress" in told.users);
    t.notOk("daruma-egressd.service" in silent.units);
    t.notMatch(must(silent.unitTexts, "daruma-watchd.service"), /Credential/);
  },
);
