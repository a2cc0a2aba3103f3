import type { SinkManifest } from "@daruma/config";
import t from "tap";
import { messageOf } from "./fixtures/messages.ts";
import { closedPort, fakeService, fakeSmtp } from "./fixtures/servers.ts";
import { services } from "./fixtures/services.ts";
import { alertsManifest, noon, sinkConfig } from "./fixtures/world.ts";
import { redact, type Secrets } from "./secrets.ts";
import { createSender } from "./sender.ts";
import { mailOf, smtpOptions } from "./sinks/email.ts";
import { httpSinks } from "./sinks/index.ts";
import { createTransport } from "./transport.ts";

function sender(config: Partial<SinkManifest>, secret: string | null, withinMs = 5_000) {
  const secrets: Secrets = {
    read: async () => (secret === null ? { problem: "the credential /x is empty or missing" } : { secret }),
  };
  const setting = { host: "h1", alerts: alertsManifest({ sinks: { chat: config } }) };
  const send = createSender({
    setting: () => setting,
    secrets,
    transport: createTransport({ egressd: null }),
    wallNow: () => noon,
    withinMs,
  });
  return (message = messageOf()) => send({ sink: "chat", message });
}

const special = {
  slack: {},
  discord: {},
  telegram: { to: ["-100123"] },
  pagerduty: {},
  opsgenie: {},
  whatsapp: { from: "106540352242922", to: ["491701234567"], template: "daruma_alert", language: "de" },
  webhook: {},
} as const;

t.test("every service gets what it documents, over a real connection", async (t) => {
  for (const kind of Object.keys(httpSinks) as (keyof typeof httpSinks)[]) {
    const fake = await fakeService(t);
    const url = kind === "whatsapp" ? `${fake.url}/v23.0` : fake.url;
    const service = services[kind](fake.url);
    fake.answer = (response) => response.writeHead(service.success.status).end(service.success.body);
    const send = sender({ kind, url, ...special[kind] }, service.secret);
    t.match(await send(), { kind: "sent" }, kind);
    const [request] = fake.requests;
    if (request === undefined) throw new Error(`${kind}: nothing came`);
    t.same(service.faults(request, new URL(request.url)), [], kind);
    fake.answer = (response) =>
      response.writeHead(service.tooMany.status, service.tooMany.headers).end(service.tooMany.body);
    t.match(await send(), { kind: "later", retryAfterMs: service.patience }, kind);
  }
});

t.test("a service that fails, however it does, is tried again, and no reason quotes a secret", async (t) => {
  const fake = await fakeService(t);
  const { secret } = services.slack(fake.url);
  const send = sender({ kind: "slack", url: fake.url }, secret, 400);
  const expect = async (outcome: object, what: string) => {
    const got = await send();
    t.match(got, outcome, what);
    t.notMatch(JSON.stringify(got), /XXX|T000/, what);
  };
  fake.answer = (response) => response.socket?.destroy();
  await expect({ kind: "later", why: /hang up|ECONNRESET/ }, "cut before an answer");
  fake.answer = (response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("o");
    setImmediate(() => response.socket?.destroy());
  };
  await expect({ kind: "later" }, "cut in the middle of an answer");
  fake.answer = () => undefined;
  await expect({ kind: "later", why: /no whole answer within 400 ms/ }, "hangs");
  fake.answer = (response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write("o"), 20);
    response.on("close", () => clearInterval(timer));
  };
  await expect({ kind: "later", why: /within 400 ms/ }, "drips for ever");
  fake.answer = (response) => response.writeHead(200).end("x".repeat(1_000_000));
  await expect({ kind: "later" }, "answers without end");
  fake.answer = (response) => response.socket?.end("SSH-2.0-OpenSSH_9.2\r\n");
  await expect({ kind: "later" }, "is no HTTP server");
  fake.answer = (response, request) => response.writeHead(500).end(`no: ${request.url} ${secret}`);
  await expect({ kind: "later", why: /HTTP 500.*\[secret\]/ }, "500, quoting the request");
  // Wherever what is quoted is cut, no part of a secret is left at the cut.
  for (const before of [150, 160, 170, 180]) {
    fake.answer = (response, request) =>
      response.writeHead(400).end(`${"-".repeat(before)}${request.url} ${JSON.stringify({ secret })}`);
    await expect({ kind: /refused|later|denied/ }, `cut after ${before}`);
  }
  fake.answer = (response) => response.writeHead(302, { location: `${fake.url}/other` }).end();
  const before = fake.requests.length;
  await expect({ kind: "denied" }, "redirects");
  t.equal(fake.requests.length, before + 1, "a redirect is not followed");
  const nobody = sender(
    { kind: "webhook", url: `http://127.0.0.1:${await closedPort(t)}` },
    services.webhook("").secret,
  );
  t.match(await nobody(), { kind: "later", why: /ECONNREFUSED/ });
  t.match(await sender({ kind: "slack", url: fake.url }, null)(), {
    kind: "denied",
    why: /empty or missing/,
  });
});

const mail = (url: string, change: Partial<SinkManifest> = {}) =>
  ({
    kind: "email",
    url,
    from: "daruma@example.com",
    to: ["a@example.com", "b@example.com"],
    ...change,
  }) as const;

t.test("a mail arrives as it is meant, whatever an agent has put into it", async (t) => {
  const smtp = await fakeSmtp(t);
  const send = sender(mail(smtp.url, { user: "daruma", credential: "/x" }), "hunter2-hunter2");
  const title = `app: \r\nBcc: evil@example.com\r\n\r\n.\r\nMAIL FROM:<x@y> ${"é🦀".repeat(300)}`;
  t.match(await send(messageOf({ title, details: [".", "a line", "..dots"] })), {
    kind: "sent",
    providerId: /4711/,
  });
  const [got] = smtp.mails;
  if (got === undefined) throw new Error("nothing came");
  t.match(got, {
    from: "daruma@example.com",
    to: ["a@example.com", "b@example.com"],
    login: "daruma hunter2-hunter2",
  });
  t.equal(smtp.mails.length, 1);
  const [head = ""] = got.data.split("\r\n\r\n");
  t.notMatch(head, /^bcc:/im, "a line of a text does not become a header");
  for (const header of [
    /^Message-ID: <e1-7@example.com>/m,
    /^Auto-Submitted: auto-generated/m,
    /^Date: /m,
    /^Importance: high/m,
    /^Subject: /m,
  ])
    t.match(head, header);
  t.ok(
    got.data.split("\r\n").every((line) => Buffer.byteLength(line) <= 998),
    "RFC 5322 2.1.1",
  );
  const over = mailOf(messageOf({ state: "over" }, { id: "e1-8" }), "h1", sinkConfig(mail(smtp.url)));
  t.equal(
    over.headers.References,
    mailOf(messageOf(), "h1", sinkConfig(mail(smtp.url))).headers.References,
    "one thread",
  );
});

t.test("a mail server that fails, however it does, is understood", async (t) => {
  const smtp = await fakeSmtp(t);
  const login = { user: "daruma", credential: "/x" };
  const send = sender(mail(smtp.url, login), "hunter2-hunter2", 500);
  const cases: readonly (readonly [answers: FakeAnswers, kind: string])[] = [
    [{ CONNECT: "421 too busy" }, "later"],
    [{ CONNECT: "" }, "later"],
    [{ CONNECT: "SSH-2.0-OpenSSH_9.2" }, "later"],
    [{ EHLO: null }, "later"],
    [{ AUTH: "535 5.7.8 hunter2-hunter2 is wrong" }, "denied"],
    [{ AUTH: `535 ${"-".repeat(160)} hunter2-hunter2` }, "denied"],
    [{ AUTH: `535 no: ${Buffer.from("\0daruma\0hunter2-hunter2").toString("base64")}` }, "denied"],
    [{ AUTH: "454 4.7.0 later" }, "later"],
    [{ MAIL: "550 not you" }, "denied"],
    [{ RCPT: "550 no such user" }, "denied"],
    [{ RCPT: "451 greylisted" }, "later"],
    [{ "DATA-END": "452 no room" }, "later"],
    [{ "DATA-END": "554 looks like spam" }, "refused"],
    [{ "DATA-END": null }, "later"],
    [{ "DATA-END": "" }, "later"],
  ];
  for (const [answers, kind] of cases) {
    smtp.answers = { ...answers };
    const outcome = await send();
    t.equal(outcome.kind, kind, `${JSON.stringify(answers)}: ${JSON.stringify(outcome)}`);
    t.notMatch(JSON.stringify(outcome), /hunt|AGRhcnVtYQBodW50/);
  }
  smtp.answers = { "b@example.com": "550 no such user" };
  t.match(await send(), { kind: "sent", providerId: /refused: b@example.com/ }, "one of them has it");
  t.match(await sender(mail(`smtp://127.0.0.1:${await closedPort(t)}`), "x")(), {
    kind: "later",
    why: /ECONNREFUSED/,
  });
});

type FakeAnswers = Readonly<Record<string, string | null>>;

t.test("nothing is said to a mail server elsewhere before TLS", async (t) => {
  const options = (url: string) => smtpOptions(sinkConfig(mail(url, { user: "u", credential: "/x" })), "p");
  t.match(options("smtp://mail.example.com"), {
    port: 587,
    secure: false,
    requireTLS: true,
    ignoreTLS: false,
  });
  t.match(options("smtps://mail.example.com"), { port: 465, secure: true });
  t.match(options("smtp://localhost:25"), { port: 25, requireTLS: false, ignoreTLS: true });
});

t.test("secrets are taken out of a text in every spelling", async (t) => {
  const url = "https://hooks.slack.com/services/T000/B000/abcdefghijklmnop";
  for (const spelling of [
    url,
    encodeURIComponent(url),
    "/services/T000/B000/abcdefghijklmnop",
    "abcdefghijklmnop",
    Buffer.from(url).toString("base64"),
  ])
    t.notMatch(redact(`cannot post to ${spelling}!`, [`${url}\n`]), /abcdefghijklmnop/, spelling);
  t.equal(redact("nothing here", ["s3cret-token"]), "nothing here");
});
