import fc from "fast-check";
import t from "tap";
import { judgeAnswer, valueAt } from "./answer.ts";

const judge = (
  body: string | null,
  expected: { contains?: string; json?: Record<string, string | number | boolean | null> },
) =>
  judgeAnswer(200, body === null ? null : Buffer.from(body), {
    status: 200,
    body: { contains: expected.contains ?? null, json: expected.json ?? {} },
  });

t.test(
  "liveness is not usefulness: an answer with the right status fails where its body says otherwise",
  async (t) => {
    t.same(judge("all ready here", { contains: "ready" }), { ok: true });
    t.same(judge("starting", { contains: "ready" }), {
      ok: false,
      reason: 'the body does not contain "ready"',
    });
    const body = JSON.stringify({ status: "ok", queue: { "a/b": [0, 7] }, error: null });
    t.same(judge(body, { json: { "/status": "ok", "/queue/a~1b/1": 7, "/error": null } }), { ok: true });
    t.same(judge(body, { json: { "/status": "ok", "/queue/a~1b/1": 8 } }), {
      ok: false,
      reason: "/queue/a~1b/1 is 7, expected 8",
    });
    t.same(judge(body, { json: { "/queue/size": 0 } }), {
      ok: false,
      reason: "/queue/size is missing, expected 0",
    });
    t.same(judge(body, { json: { "/status": null } }), {
      ok: false,
      reason: '/status is "ok", expected null',
    });
  },
);

t.test("what cannot be judged is not healthy", async (t) => {
  t.match(judge("ok", { json: { "/status": "ok" } }), { ok: false, reason: "the body is not JSON" });
  t.match(judge(null, { contains: "ok" }), { ok: false, reason: "the body is too long to be judged" });
  t.match(judge(`{"status":{"x":"${"y".repeat(500)}"}}`, { json: { "/status": "ok" } }), {
    ok: false,
    reason: /^.{1,150}$/,
  });
});

t.test("a body that is not as it should be and names a dependency puts the fault outside", async (t) => {
  t.match(judge('{"status":"waiting","dependency":"db"}', { json: { "/status": "ok" } }), {
    ok: false,
    dependency: "db",
  });
});

t.test("a pointer leads to what a document holds, and to nothing that it inherits", async (t) => {
  const escaped = (key: string) => key.replaceAll("~", "~0").replaceAll("/", "~1");
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), (keys) => {
      const document = keys.reduceRight<unknown>((inner, key) => Object.fromEntries([[key, inner]]), "found");
      t.equal(valueAt(document, keys.map((key) => `/${escaped(key)}`).join("")), "found");
    }),
  );
  for (const pointer of ["/constructor", "/0", "/toString/name"]) t.equal(valueAt({}, pointer), undefined);
  for (const pointer of ["/length", "/-1", "/00", "/1"]) t.equal(valueAt([5], pointer), undefined);
  t.equal(valueAt([5], "/0"), 5);
});
