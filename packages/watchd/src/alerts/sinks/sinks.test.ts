import { character } from "@daruma/base/test-support";
import { sinkUrl } from "@daruma/config";
import fc from "fast-check";
import t from "tap";
import { anyMessage } from "../fixtures/any-message.ts";
import { messageOf } from "../fixtures/messages.ts";
import { services } from "../fixtures/services.ts";
import { noon, sinkConfig } from "../fixtures/world.ts";
import { httpSinks } from "./index.ts";
import type { HttpRequest, SinkSetting } from "./sink.ts";
import { cut, cutBytes, fitLines } from "./text.ts";

const kinds = Object.keys(httpSinks) as (keyof typeof httpSinks)[];

const configs = {
  slack: {},
  discord: {},
  telegram: { to: ["-100123"] },
  pagerduty: {},
  opsgenie: {},
  whatsapp: { from: "106540352242922", to: ["491701234567"], template: "daruma_alert", language: "de" },
  webhook: { url: "https://alerts.example.com/daruma" },
} as const;

function settingFor(kind: keyof typeof httpSinks): SinkSetting {
  const config = sinkConfig({ kind, ...configs[kind] });
  return { host: "h1", config, secret: `${services[kind](sinkUrl(config)).secret}\n`, now: noon };
}

function requestOf(kind: keyof typeof httpSinks, message = messageOf()): HttpRequest {
  const request = httpSinks[kind].request(message, settingFor(kind));
  if ("problem" in request) throw new Error(request.problem);
  return request;
}

const bodyOf = (kind: keyof typeof httpSinks, message = messageOf()) =>
  JSON.parse(requestOf(kind, message).body);

for (const kind of kinds) {
  t.test(`${kind}: whatever is told, the request is what the service documents`, async (t) => {
    const service = services[kind](sinkUrl(sinkConfig({ kind, ...configs[kind] })));
    fc.assert(
      fc.property(anyMessage, (message) => {
        const request = requestOf(kind, message);
        const faults = service.faults(request, new URL(request.url));
        if (faults.length > 0) throw new Error(`${faults.join("; ")}: ${request.body.slice(0, 500)}`);
        return true;
      }),
      { numRuns: 30 },
    );
    t.pass();
  });

  t.test(`${kind}: what the service answers is understood, and what is like it is not`, async (t) => {
    const { success, tooMany, patience } = services[kind](sinkUrl(sinkConfig({ kind, ...configs[kind] })));
    const judge = (status: number, body: string, headers: Record<string, string> = {}) =>
      httpSinks[kind].judge({ status, body, headers }, noon);
    t.equal(judge(success.status, success.body).kind, "sent");
    t.match(judge(tooMany.status, tooMany.body, tooMany.headers), { kind: "later", retryAfterMs: patience });
    t.equal(judge(500, "").kind, "later");
    t.equal(judge(503, "<html>down for maintenance</html>", { "retry-after": "120" }).kind, "later");
    t.equal(judge(302, "", { location: "https://login.example.com/" }).kind, "denied");
    t.equal(judge(401, "no").kind, "denied");
    t.equal(judge(404, "no_service").kind, "denied");
    t.equal(judge(413, "too large").kind, "refused");
    if (kind === "webhook") return;
    // A captive portal, a proxy, half an answer: all of them say 200.
    for (const lie of [
      "<html>Welcome to our Wi-Fi</html>",
      "",
      '{"ok":false}',
      "[]",
      success.body.slice(0, -2),
    ])
      t.equal(
        judge(success.status, lie).kind,
        kind === "slack" && lie.trim() === "ok" ? "sent" : "later",
        lie,
      );
  });

  t.test(`${kind}: a secret of the wrong form is named, never quoted, and never sent`, async (t) => {
    const wrong = "hunter2-hunter2";
    const outcome = httpSinks[kind].request(messageOf(), { ...settingFor(kind), secret: wrong });
    if (!("problem" in outcome)) throw new Error("a request was made of it");
    t.notMatch(outcome.problem, /hunter2/);
  });
}

t.test("a secret URL leads to its service only", async (t) => {
  const secrets = {
    slack: [
      "https://evil.example/services/x",
      "http://hooks.slack.com/services/x",
      "https://a:b@hooks.slack.com/x",
    ],
    discord: ["https://discord.com.evil.example/api/webhooks/1/x"],
  } as const;
  for (const [kind, list] of Object.entries(secrets) as [keyof typeof secrets, readonly string[]][]) {
    for (const secret of list)
      t.match(httpSinks[kind].request(messageOf(), { ...settingFor(kind), secret }), {
        problem: /no URL below/,
      });
  }
});

t.test("what begins and what ends is one alert where the service keeps alerts", async (t) => {
  const over = messageOf({ state: "over", title: "app is healthy again" });
  t.match(bodyOf("pagerduty"), {
    event_action: "trigger",
    dedup_key: "h1/agent/app",
    payload: { severity: "critical", component: "app", group: "agent", class: "agent" },
  });
  t.match(bodyOf("pagerduty", over), { event_action: "resolve", dedup_key: "h1/agent/app" });
  t.match(bodyOf("opsgenie"), { alias: "h1/agent/app", priority: "P1" });
  t.equal(
    requestOf("opsgenie", over).url,
    "https://api.opsgenie.com/v2/alerts/h1%2Fagent%2Fapp/close?identifierType=alias",
  );
  const success = messageOf({ state: "event", severity: "info" });
  t.match(requestOf("pagerduty", success).url, /\/v2\/change\/enqueue$/, "what is never over opens no alert");
  t.match(bodyOf("pagerduty", messageOf({ state: "event", severity: "critical" })), {
    dedup_key: "h1/agent/app/e1-7",
  });
});

t.test("people read what it is, where and why", async (t) => {
  t.match(
    bodyOf("telegram").text,
    /^CRITICAL h1: app keeps failing\n3 attempts failed\nno known-good.*\nincident inc-1$/s,
  );
  t.equal(bodyOf("telegram").disable_notification, false);
  t.match(bodyOf("telegram", messageOf({ state: "over" })), { text: /^OVER h1/, disable_notification: true });
  t.match(bodyOf("slack", messageOf({}, { isTest: true })).blocks[0].text.text, /^TEST h1/);
  t.match(bodyOf("whatsapp").template.components[0].parameters, [
    { text: "CRITICAL" },
    { text: "h1: app keeps failing" },
    { text: /^3 attempts failed · no known-good generation · incident inc-1$/ },
  ]);
  t.match(bodyOf("webhook", messageOf({}, { insteadOf: "pager" })), {
    type: "alert.open",
    data: { key: "h1/agent/app", severity: "critical", host: "h1", incident: "inc-1", insteadOf: "pager" },
  });
  const members = Array.from(
    { length: 900 },
    (_, n) => messageOf({ key: `h1/agent/a${n}`, title: `a${n} has ended`, details: [] }).notice,
  );
  const digest = messageOf({ title: "900 alerts", details: [], incident: null }, { members, count: 900 });
  const said = String(bodyOf("telegram", digest).text);
  const shown = said.split("\n").length - 2;
  t.match(said, new RegExp(`\n… and ${900 - shown} more: agentctl alert list$`));
  t.match(bodyOf("webhook", digest).data, { alertsInAll: 900 });
});

t.test("WhatsApp's error codes tell what to do", async (t) => {
  const judge = (code: number, status = 400) =>
    httpSinks.whatsapp.judge(
      { status, headers: {}, body: JSON.stringify({ error: { code, message: "m" } }) },
      noon,
    ).kind;
  t.same(
    [131056, 131048, 80007].map((code) => judge(code)),
    ["later", "later", "later"],
  );
  t.same(
    [190, 131030, 132001, 100].map((code) => judge(code)),
    ["denied", "denied", "denied", "denied"],
  );
  t.equal(judge(132018), "refused");
  t.equal(judge(1, 500), "later");
});

t.test("cuts never exceed their limit, nor leave half a character", async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: character }), fc.integer({ min: 3, max: 40 }), (text, most) => {
      const short = cut(text, most);
      const bytes = cutBytes(text, most);
      return (
        short.length <= most &&
        short.isWellFormed() &&
        Buffer.byteLength(bytes) <= most &&
        bytes.isWellFormed()
      );
    }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.string(), { maxLength: 30 }),
      fc.integer({ min: 60, max: 200 }),
      (lines, most) => {
        return fitLines(lines, most).length <= most;
      },
    ),
  );
  t.pass();
});
