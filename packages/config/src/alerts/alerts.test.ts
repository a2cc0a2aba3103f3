import t from "tap";
import { decodeFleet } from "../decode.ts";
import { alertsEgress } from "./egress.ts";
import { sinkUrlProblem } from "./words.ts";

const agent = { command: ["/bin/a"] };
const slack = { kind: "slack", credential: "/run/secrets/s" };

function decode(alerts: unknown, more: object = {}) {
  return decodeFleet({
    hosts: { h: { system: "x86_64-linux", agents: { app: agent }, alerts, ...more } },
  });
}

function problems(alerts: unknown, more: object = {}): readonly string[] {
  const decoded = decode(alerts, more);
  return decoded.ok
    ? []
    : decoded.problems.map(({ path, message }) => `${path.replace("hosts.h.", "")}: ${message}`);
}

t.test("what a kind of sink needs, and what means nothing for it, is said", async (t) => {
  const sinks = (sink: object) => problems({ sinks: { s: sink } });
  t.match(sinks({ kind: "slack" }), [/sinks\.s\.credential: a sink of kind slack needs one/]);
  t.match(sinks({ ...slack, to: ["#ops"] }), [/sinks\.s\.to: means nothing for a sink of kind slack/]);
  t.match(sinks({ kind: "webhook", credential: "/s" }), [/url: a sink of kind webhook needs one/]);
  t.match(sinks({ kind: "webhook", credential: "/s", url: "smtps://x" }), [/url: must begin with https:/]);
  t.match(sinks({ kind: "webhook", credential: "/s", url: "http://example.com" }), [/url: must be https:/]);
  t.match(sinks({ kind: "telegram", credential: "/s", to: ["1", "2"] }), [/to: .*exactly one recipient/]);
  t.match(sinks({ kind: "whatsapp", credential: "/s", to: ["1"] }), [/from/, /template/]);
  const mail = { kind: "email", url: "smtps://m.example.com", from: "d@example.com", to: ["o@example.com"] };
  t.same(sinks(mail), []);
  t.match(sinks({ ...mail, to: [] }), [/to: .*needs a recipient/]);
  t.match(sinks({ ...mail, to: ["a@b, c@d"] }), [/to\[0\]: must be an address/]);
  t.match(sinks({ ...mail, user: "x" }), [/credential: a login needs both/]);
  t.match(sinks({ ...mail, from: "d@example.com\r\nBcc: x@y" }), [
    /from: must not contain control characters/,
  ]);
  t.match(problems({ sinks: { "S 1": slack } }), [/a sink's name has/]);
});

t.test("names of sinks are those of the host, and no fallback leads back", async (t) => {
  t.match(problems({ sinks: { s: slack }, to: ["t"] }), [
    /alerts\.to\[0\]: there is no sink "?t"? on this host/,
  ]);
  t.match(problems({ sinks: { s: slack } }, { agents: { app: { ...agent, alerts: { to: ["s", "s"] } } } }), [
    /agents\.app\.alerts\.to\[1\]: is named twice/,
  ]);
  t.match(problems({ sinks: { s: { ...slack, fallback: "t" }, t: { ...slack, fallback: "s" } } }), [
    /s\.fallback: leads back/,
    /t\.fallback: leads back/,
  ]);
  t.match(problems({ sinks: { s: { ...slack, fallback: "x" } } }), [/there is no sink/]);
  t.match(problems({ quiet: { from: "22:00", to: "22:00" } }), [/quiet\.to: must be another time/]);
  t.match(problems({ quiet: { from: "22:00", to: "7:00" } }), [/must be a time such as/]);
  t.match(problems({ quiet: { from: "22:00", to: "07:00", timezone: "Mars/Base" } }), [/no time zone/]);
  t.match(problems({ deadMansSwitch: { credential: "/s", url: "https://hc-ping.com/secret-id" } }), [
    /scheme and host only/,
  ]);
});

t.test("a host without sinks tells nobody; others tell every sink that is no fallback", async (t) => {
  const none = decode({});
  t.equal(none.ok && none.fleet.hosts.h?.alerts, null);
  const some = decode({
    sinks: { b: { ...slack, fallback: "c" }, a: slack, c: slack },
    agents: "recovery",
    after: "1m",
  });
  t.match(some.ok && some.fleet.hosts.h?.alerts, {
    to: ["a", "b"],
    agents: { app: { on: "recovery", afterMs: 60_000, to: ["a", "b"] } },
  });
});

t.test("what watchd may reach is made of the sinks", async (t) => {
  const decoded = decode({
    sinks: {
      a: slack,
      b: { ...slack, url: "https://hooks.slack-gov.com" },
      c: {
        kind: "email",
        url: "smtp://Mail.Example.com",
        from: "d@example.com",
        to: ["o@example.com"],
        private: true,
      },
      d: { kind: "webhook", url: "http://127.0.0.1:8080/x", credential: "/s" },
      e: slack,
    },
    deadMansSwitch: { credential: "/s", url: "https://hc-ping.com" },
  });
  const alerts = decoded.ok ? decoded.fleet.hosts.h?.alerts : null;
  if (alerts == null) throw new Error("it does not compile");
  const rule = { private: false, forward: null, scope: "host" };
  t.same(alertsEgress(alerts).allow, [
    { host: "hooks.slack.com", port: 443, protocol: "tls", ...rule },
    { host: "hooks.slack-gov.com", port: 443, protocol: "tls", ...rule },
    { host: "mail.example.com", port: 587, protocol: "tcp", ...rule, private: true },
    { cidr: "127.0.0.1/32", port: 8080, scope: "host" },
    { host: "hc-ping.com", port: 443, protocol: "tls", ...rule },
  ]);
});

t.test("a URL in a file that everybody may read bears no secret", async (t) => {
  t.match(sinkUrlProblem("https://user:pass@example.com/"), /use credential/);
  t.match(sinkUrlProblem("ftp://example.com"), /must begin with/);
  t.match(sinkUrlProblem("nonsense"), /must be a URL/);
  for (const good of ["https://example.com/x?y=1", "smtp://mx:25", "http://localhost:1/", "http://[::1]:2/"])
    t.equal(sinkUrlProblem(good), undefined, good);
});
