import fc from "fast-check";
import t from "tap";
import { type Headers, type Scheme, schemes, type Verdict } from "./scheme.ts";
import {
  distinct,
  githubHeaders,
  plainSecret,
  standardHeaders,
  standardKeyPair,
  standardSecret,
  stripeHeaders,
} from "./test-support.ts";
import { secretProblem, verifyDelivery } from "./verify.ts";

const now = Date.parse("2026-03-01T12:00:00Z");
const seconds = now / 1000;
const body = Buffer.from('{"id":"evt_1","n":12345}');

/** A good delivery of each kind, with the secret for it. */
const good: Readonly<Record<Scheme, { readonly headers: Headers; readonly secret: string }>> = {
  standard: { headers: distinct(standardHeaders("msg_1", seconds, body)), secret: standardSecret },
  github: { headers: distinct(githubHeaders("d-1", body)), secret: plainSecret },
  stripe: { headers: distinct(stripeHeaders(seconds, body)), secret: plainSecret },
  shared: {
    headers: distinct({ authorization: `Bearer ${Buffer.from(plainSecret).toString("hex")}` }),
    secret: Buffer.from(plainSecret).toString("hex"),
  },
};

function verdictOf(
  scheme: Scheme,
  change: { headers?: Headers; body?: Buffer; receivedAt?: number } = {},
): Verdict {
  const { headers, secret } = good[scheme];
  return verifyDelivery(scheme, { headers, body, receivedAt: now, ...change }, [secret]);
}

t.test("published examples", async (t) => {
  const standard = distinct({
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
  const example = Buffer.from('{"test": 2432232314}');
  const received = { headers: standard, body: example, receivedAt: 1_614_265_330_000 };
  t.match(verifyDelivery("standard", received, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]), { ok: true });
  const github = distinct({
    "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    "x-github-delivery": "1",
  });
  const hello = { headers: github, body: Buffer.from("Hello, World!"), receivedAt: now };
  t.match(verifyDelivery("github", hello, ["It's a Secret to Everybody"]), { ok: true });
});

t.test("what is good is taken, under what the sender says that it is", async (t) => {
  t.strictSame(verdictOf("standard"), { ok: true, keys: ["id:msg_1"] });
  t.match(verdictOf("github"), { ok: true, keys: ["id:d-1", /^body:[0-9a-f]{64}$/] });
  t.strictSame(verdictOf("stripe"), { ok: true, keys: ["id:evt_1"] });
  t.strictSame(verdictOf("shared"), { ok: true, keys: [] });
  const named = { ...good.shared.headers, "idempotency-key": ["k"] };
  t.strictSame(verdictOf("shared", { headers: named }), { ok: true, keys: ["id:k"] });
  const noJson = Buffer.from("no json");
  t.match(verdictOf("stripe", { body: noJson, headers: distinct(stripeHeaders(seconds, noJson)) }), {
    ok: true,
    keys: [/^body:/],
  });
});

t.test("any flipped bit, any cut, anything more is refused", async () => {
  const signed = schemes.filter((scheme) => scheme !== "shared");
  fc.assert(
    fc.property(fc.constantFrom(...signed), fc.nat(body.length - 1), fc.nat(7), (scheme, at, bit) => {
      const flipped = Buffer.from(body);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
      const others = [flipped, body.subarray(0, at), Buffer.concat([body, Buffer.from(" ")])];
      return others.every((other) => !verdictOf(scheme, { body: other }).ok);
    }),
    { numRuns: 300 },
  );
});

t.test("any changed header that is signed, or signs, is refused", async (t) => {
  const relevant = /^(webhook-(id|timestamp|signature)|x-hub-signature-256|stripe-signature|authorization)$/;
  for (const scheme of schemes) {
    const { headers } = good[scheme];
    for (const [name, [value = ""] = []] of Object.entries(headers)) {
      if (!relevant.test(name)) continue;
      const at = name === "stripe-signature" ? 20 : value.length - 3;
      const changed = `${value.slice(0, at)}${value[at] === "1" ? "2" : "1"}${value.slice(at + 1)}`;
      t.equal(
        verdictOf(scheme, { headers: { ...headers, [name]: [changed] } }).ok,
        false,
        `${scheme} ${name}`,
      );
      for (const [given, why] of [
        [undefined, "header-missing"],
        [[], "header-missing"],
        [[value, value], "header-repeated"],
      ] as const) {
        const verdict = verdictOf(scheme, { headers: { ...headers, [name]: given } });
        t.strictSame(verdict, { ok: false, why }, `${scheme} ${name} ${why}`);
      }
    }
  }
});

t.test(
  "a time that was signed has to be near, either way; a time is not told before the signature is good",
  async (t) => {
    for (const scheme of ["standard", "stripe"] as const) {
      t.match(verdictOf(scheme, { receivedAt: now + 300_000 }), { ok: true });
      t.match(verdictOf(scheme, { receivedAt: now - 300_000 }), { ok: true });
      t.strictSame(verdictOf(scheme, { receivedAt: now + 301_000 }), { ok: false, why: "too-old" });
      t.strictSame(verdictOf(scheme, { receivedAt: now - 301_000 }), { ok: false, why: "too-new" });
      t.strictSame(verdictOf(scheme, { receivedAt: 0, body: Buffer.from("x") }), {
        ok: false,
        why: "signature",
      });
    }
    const odd = ["1e9", "-1", "", " 1772366400", "0x10", "99999999999999"];
    for (const time of odd) {
      const headers = { ...good.standard.headers, "webhook-timestamp": [time] };
      t.equal(verdictOf("standard", { headers }).ok, false, time);
    }
  },
);

t.test("parts cannot move between id, time and body", async (t) => {
  const headers = standardHeaders("a.1", seconds, body);
  t.strictSame(verdictOf("standard", { headers: distinct(headers) }), { ok: false, why: "header-malformed" });
});

t.test("secrets are changed without a gap: any of them, any of the signatures", async (t) => {
  const other = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
  const { headers } = good.standard;
  const delivery = { headers, body, receivedAt: now };
  t.equal(verifyDelivery("standard", delivery, [other, standardSecret]).ok, true);
  t.equal(verifyDelivery("standard", delivery, [other]).ok, false);
  t.equal(verifyDelivery("standard", delivery, []).ok, false);
  const both = `v1,AAAA v2,x ${headers["webhook-signature"]?.[0]}`;
  t.equal(verdictOf("standard", { headers: { ...headers, "webhook-signature": [both] } }).ok, true);
  const mac = /v1=([0-9a-f]+)/.exec(stripeHeaders(seconds, body)["stripe-signature"])?.[1];
  const twice = { "stripe-signature": [`t=${seconds},v1=${"0".repeat(64)},v1=${mac}`] };
  t.equal(verdictOf("stripe", { headers: twice }).ok, true);
  const old = { "stripe-signature": [`t=${seconds},v0=${mac}`] };
  t.equal(verdictOf("stripe", { headers: old }).ok, false, "v0 is no signature");
});

t.test("Standard Webhooks with a public key", async (t) => {
  const { secret, headers } = standardKeyPair();
  const delivery = { headers: distinct(headers("msg_2", seconds, body)), body, receivedAt: now };
  t.equal(verifyDelivery("standard", delivery, [secret]).ok, true);
  t.equal(verifyDelivery("standard", { ...delivery, body: Buffer.from("x") }, [secret]).ok, false);
  t.equal(verifyDelivery("standard", delivery, [standardKeyPair().secret]).ok, false);
});

t.test("secrets that are none", async (t) => {
  t.equal(secretProblem("standard", standardSecret), undefined);
  t.equal(secretProblem("standard", standardKeyPair().secret), undefined);
  t.equal(secretProblem("github", plainSecret), undefined);
  for (const [scheme, secret] of [
    ["standard", plainSecret],
    ["standard", "whsec_AAAA"],
    ["standard", "whpk_AAAA"],
    ["standard", "whsec_***"],
    ["stripe", "short"],
  ] as const) {
    const problem = secretProblem(scheme, secret);
    t.match(problem, /^must /);
    t.notOk(problem?.includes(secret));
  }
});

t.test("whatever is sent, it is judged and not thrown at", async () => {
  const name = fc.constantFrom(...schemes.flatMap((scheme) => Object.keys(good[scheme].headers)));
  const headers = fc.dictionary(name, fc.array(fc.string(), { maxLength: 2 }));
  fc.assert(
    fc.property(fc.constantFrom(...schemes), headers, fc.uint8Array(), (scheme, sent, bytes) => {
      return !verdictOf(scheme, { headers: sent, body: Buffer.from(bytes) }).ok;
    }),
    { numRuns: 500 },
  );
});
