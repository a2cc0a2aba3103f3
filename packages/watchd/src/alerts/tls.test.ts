import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { authority, type Certificate, trust } from "@daruma/base/test-support";
import type { SinkManifest } from "@daruma/config";
import t, { type Test } from "tap";
import { standardSecret } from "../webhooks/test-support.ts";
import { alertRoutes } from "./api.ts";
import { raised, lab as runtimeLab, until } from "./fixtures/lab.ts";
import { messageOf } from "./fixtures/messages.ts";
import { fakeEgressd, fakeService, fakeSmtp } from "./fixtures/servers.ts";
import { alertsManifest, noon } from "./fixtures/world.ts";
import { createSender } from "./sender.ts";
import { createTransport } from "./transport.ts";

/* TLS of the sinks, by certificates of an authority of our own, through a proxy as egressd is one. */

const host = "sink.example.com";
const ours = authority("Ours");
const theirs = authority("Theirs");
const password = "hunter2-hunter2";

async function lab(t: Test) {
  t.teardown(trust(ours));
  const directory = mkdtempSync(join(tmpdir(), "dtls-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const { path, asked } = await fakeEgressd(t, directory);
  const send = async (config: Partial<SinkManifest>, secret: string, withinMs = 10_000) => {
    const setting = { host: "h1", alerts: alertsManifest({ sinks: { chat: config } }) };
    const sender = createSender({
      setting: () => setting,
      secrets: { read: async () => ({ secret }) },
      transport: createTransport({ egressd: path }),
      wallNow: () => noon,
      withinMs,
    });
    return sender({ sink: "chat", message: messageOf() });
  };
  return { send, asked };
}

const named = (url: string) => url.replace("127.0.0.1", host);

/** Each service that nobody should be told anything by, and what is said of it. */
const wrong: readonly (readonly [what: string, Certificate, why: RegExp])[] = [
  ["another name", ours.issue("other.example.com"), /does not match certificate's altnames/],
  ["an authority that nobody trusts", theirs.issue(host), /unable to verify the first certificate/],
  ["a certificate that it made itself", theirs, /self-signed certificate/],
  ["an expired certificate", ours.issue(host, -60_000), /certificate has expired/],
];

t.test("over HTTPS only a service whose name and authority are right is told anything", async (t) => {
  const { send, asked } = await lab(t);
  const hook = (url: string) => ({ kind: "webhook", url: named(url) }) as const;
  for (const [what, certificate, why] of wrong) {
    const service = await fakeService(t, certificate);
    const outcome = await send(hook(service.url), standardSecret);
    t.match(outcome, { kind: "later", why }, what);
    t.same(service.requests, [], what);
  }
  const right = await fakeService(t, ours.issue(host));
  t.match(await send(hook(right.url), standardSecret), { kind: "sent" });
  t.match(right.requests, [{ headers: { host: new URL(named(right.url)).host, "webhook-id": "e1-7" } }]);
  t.equal(asked.at(-1), new URL(named(right.url)).host, "through egressd, and by the name");
});

const mail = (url: string) =>
  ({
    kind: "email",
    url: named(url),
    user: "daruma",
    credential: "/x",
    from: "daruma@example.com",
    to: ["a@example.com"],
  }) as const;

for (const from of ["start", "starttls"] as const) {
  t.test(`over SMTP with TLS from ${from} only the right server is told anything`, async (t) => {
    const { send } = await lab(t);
    for (const [what, certificate, why] of wrong) {
      const smtp = await fakeSmtp(t, { ...certificate, from });
      t.match(await send(mail(smtp.url), password), { kind: /denied|later/, why }, what);
      t.same(smtp.mails, [], what);
      t.match(smtp.clear.join(""), from === "start" ? /^$/ : /^EHLO [^\r\n]+\r\nSTARTTLS\r\n$/, what);
    }
    const right = await fakeSmtp(t, { ...ours.issue(host), from });
    t.match(await send(mail(right.url), password), { kind: "sent" });
    t.match(right.mails, [{ login: `daruma ${password}` }]);
    t.notMatch(right.clear.join(""), /AUTH|MAIL/);
  });
}

t.test("a server that will not speak TLS is not spoken to in the clear", async (t) => {
  const { send } = await lab(t);
  const smtp = await fakeSmtp(t, { ...ours.issue(host), from: "starttls" });
  const stripped = "250-fake\r\n250-AUTH PLAIN\r\n250 8BITMIME";
  const cases: readonly Readonly<Record<string, string | null>>[] = [
    // What takes the offer away is in between, and answers what it does not know.
    { EHLO: stripped, STARTTLS: "502 5.5.1 command not implemented" },
    { EHLO: stripped, STARTTLS: "454 4.7.0 TLS not available" },
    { EHLO: stripped, STARTTLS: "250 ok" },
    { EHLO: stripped, STARTTLS: null },
    { EHLO: "502 what?" },
  ];
  for (const answers of cases) {
    smtp.answers = { ...answers };
    const outcome = await send(mail(smtp.url), password, 1_000);
    t.match(outcome, { kind: /denied|later/ }, JSON.stringify({ answers, outcome }));
  }
  t.same(smtp.mails, []);
  // RFC 3207 6: what was said before TLS is of no account, also in one piece with the answer.
  smtp.answers = { STARTTLS: "220 go on\r\n250-fake\r\n250 AUTH LOGIN\r\n235 welcome\r\n250" };
  t.match(await send(mail(smtp.url), password), { kind: "sent", providerId: /4711/ });
  t.match(smtp.mails, [{ login: `daruma ${password}`, to: ["a@example.com"] }]);
  const clear = smtp.clear.join("");
  for (const each of ["AUTH", "MAIL FROM", "app keeps failing", password])
    t.notOk(clear.includes(each), `${each} in the clear`);
});

t.test("what cannot be told safely is told by the fallback, and by itself once it can", async (t) => {
  t.teardown(trust(ours));
  const { directory, entries, fatal, generation, hook, open, secret } = runtimeLab(t);
  const { path } = await fakeEgressd(t, directory);
  const tampered = await fakeSmtp(t, { ...ours.issue(host), from: "starttls" });
  tampered.answers = { EHLO: "250 fake", STARTTLS: "502 what?" };
  const service = await fakeService(t, ours.issue(host));
  const sinks = {
    mail: { ...mail(tampered.url), credential: secret, fallback: "hook" },
    hook: hook(named(service.url)),
  };
  const alerts = open(path);
  await alerts.follow(generation("/1", alertsManifest({ sinks, to: ["mail"] })));
  await alerts.hear("agents", "j1", [raised(1)]);
  await until(() => service.requests.length === 1);
  t.match(JSON.parse(service.requests[0]?.body ?? ""), { type: "alert.open" });
  t.same(tampered.mails, []);
  tampered.answers = {};
  // A test asks a sink at once; else it would be its turn after some minutes.
  await alertRoutes(alerts)["POST /v1/alerts/test"]?.({ body: { sink: "mail" } } as never);
  await until(() => tampered.mails.length === 2);
  await alerts.close();
  t.match(
    entries.filter(({ action }) => action !== "alert.restored"),
    [
      { action: "alert.delayed", subject: "mail", details: { denied: true, why: /STARTTLS/ } },
      { action: "alert.sent", subject: "hook", details: { insteadOf: "mail" } },
      { action: "alert.sent", subject: "mail", details: { state: "open" } },
      { action: "alert.sent", subject: "mail", details: { state: "test" } },
    ],
  );
  t.notMatch(JSON.stringify(entries) + tampered.clear.join(""), /whsec_|app keeps failing.*AUTH/);
  t.same(fatal, []);
});
