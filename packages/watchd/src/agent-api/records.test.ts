import { recordSubject } from "@daruma/ledger";
import fc from "fast-check";
import t from "tap";
import { agentPace, fullBucket, take } from "./pace.ts";
import { maxStatements, parseStatements } from "./records.ts";

const sha256 = "a".repeat(64);
const good = { type: "file", id: "s3://bucket/a b.csv" };

t.test("a record is read with all that it says, alone or in a list", async (t) => {
  t.same(parseStatements(good), [{ record: good }]);
  const full = { ...good, version: "v1", sha256 };
  t.same(parseStatements([good, { ...full, activity: "batch 7" }]), [
    { record: good },
    { record: full, activity: "batch 7" },
  ]);
  const payload = { customer: "Zoë" };
  t.same(parseStatements({ ...good, payload }), [{ record: good, payload }]);
});

t.test("nobody says who they are, or in which run", async (t) => {
  for (const name of ["actor", "agent", "run", "generation", "subject", "details", "__proto__"]) {
    const body = JSON.parse(`{"type":"file","id":"a","${name}":"watchd"}`);
    t.throws(() => parseStatements(body), { code: "AGENT_E_BAD_RECORD", message: /nothing else/ }, name);
  }
});

t.test("all that is wrong is told at once, with its place", async (t) => {
  const bad = [
    good,
    {},
    { ...good, sha256: "A" },
    7,
    { ...good, activity: "\u0000" },
    { ...good, payload: 7 },
  ];
  t.throws(() => parseStatements(bad), {
    code: "AGENT_E_BAD_RECORD",
    problems: [
      { path: "[1]" },
      { path: "[2]", message: /^sha256/ },
      { path: "[3]" },
      { path: "[4]" },
      { path: "[5]" },
    ],
  });
  for (const body of [undefined, null, "file", 7, [], Array(maxStatements + 1).fill(good)]) {
    t.throws(() => parseStatements(body), { code: "AGENT_E_BAD_RECORD" }, JSON.stringify(body)?.slice(0, 20));
  }
});

t.test("whatever is read is what the ledger takes, and nothing makes the reader fail otherwise", async () => {
  const label = fc.oneof(fc.string(), fc.constantFrom("file", "run", "a:b", "\ud800", sha256));
  const one = fc.record({ type: label, id: label, version: label, activity: label }, { requiredKeys: [] });
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), one, fc.array(one, { maxLength: 4 })), (body) => {
      try {
        return parseStatements(body).every(({ record }) => [...recordSubject(record)].length <= 256);
      } catch (error) {
        return (error as { code?: string }).code === "AGENT_E_BAD_RECORD";
      }
    }),
  );
});

t.test("however an agent asks, it never gets more than the burst and what time has added", async () => {
  const asks = fc.array(fc.tuple(fc.nat(maxStatements), fc.nat(5_000)), { maxLength: 200 });
  fc.assert(
    fc.property(asks, (list) => {
      let now = 0;
      let taken = 0;
      let bucket = fullBucket(agentPace, now);
      for (const [wanted, pause] of list) {
        now += pause;
        const answer = take(agentPace, bucket, wanted, now);
        bucket = answer.bucket;
        if (answer.waitMs === 0) taken += wanted;
        // What it is told to wait is enough.
        else if (take(agentPace, bucket, wanted, now + answer.waitMs + 1).waitMs > 0) return false;
        if (taken > agentPace.burst + (now * agentPace.perSecond) / 1000 + 1e-6) return false;
      }
      return true;
    }),
  );
});
