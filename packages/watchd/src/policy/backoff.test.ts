import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { backoffDelay, leastHoldMs, longestDelay, patientDelay, withinWindow } from "./backoff.ts";

const policies = fc
  .record({
    initialMs: fc.integer({ min: 0, max: 3_600_000 }),
    factor: fc.double({ min: 1, max: 100, noNaN: true }),
    more: fc.integer({ min: 1, max: 86_400_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ more, ...policy }) => ({ ...policy, maxMs: policy.initialMs + more }));
const failures = fc.integer({ min: 1, max: 1_000_000 });
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

t.test("a delay is a whole number within the jitter around the capped exponential", async () => {
  fc.assert(
    fc.property(policies, failures, randoms, (policy, failure, random) => {
      const delay = backoffDelay(policy, failure, random);
      assert.ok(Number.isInteger(delay) && delay >= 0);
      assert.ok(delay <= Math.round(policy.maxMs * (1 + policy.jitter)));
      assert.ok(delay >= Math.floor(policy.initialMs * (1 - policy.jitter)));
    }),
  );
});

t.test("without jitter a delay never shrinks from one failure to the next", async () => {
  fc.assert(
    fc.property(policies, failures, randoms, (policy, failure, random) => {
      const steady = { ...policy, jitter: 0 };
      assert.ok(backoffDelay(steady, failure + 1, random) >= backoffDelay(steady, failure, random));
    }),
  );
});

t.test("each kind grows in its own way, and none beyond the longest delay", async (t) => {
  const delays = (kind: "immediate" | "fixed" | "linear" | "exponential") =>
    [1, 2, 3, 4].map((failure) =>
      backoffDelay({ kind, initialMs: 100, factor: 2, maxMs: 350, jitter: 0 }, failure, 0),
    );
  t.same(delays("immediate"), [0, 0, 0, 0]);
  t.same(delays("fixed"), [100, 100, 100, 100]);
  t.same(delays("linear"), [100, 200, 300, 350]);
  t.same(delays("exponential"), [100, 200, 350, 350]);
});

t.test("the first delays are those that the policy says", async (t) => {
  const policy = { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 };
  t.same(
    [1, 2, 3, 4, 5, 6].map((failure) => backoffDelay(policy, failure, 0)),
    [100, 200, 400, 800, 1_000, 1_000],
  );
});

t.test("a policy that starts at zero restarts at once, however often", async (t) => {
  t.equal(backoffDelay({ initialMs: 0, factor: 2, maxMs: 1_000, jitter: 1 }, 1_000_000, 0.9), 0);
});

t.test("the jitter spreads a delay both ways", async (t) => {
  const policy = { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0.5 };
  t.equal(backoffDelay(policy, 1, 0), 50);
  t.equal(backoffDelay(policy, 1, 0.5), 100);
  t.equal(backoffDelay(policy, 1, 0.999_999), 150);
});

t.test("faults from outside double the delay up to the longest, whatever the policy", async (t) => {
  const policy = { initialMs: 0, factor: 1, maxMs: 5, jitter: 0 };
  t.same(
    [1, 2, 3, 4, 5, 6].map((fault) => patientDelay(policy, fault, 0)),
    [100, 200, 400, 800, 1_000, 1_000],
  );
});

t.test("a hold is never shorter than a second", async () => {
  fc.assert(
    fc.property(policies, randoms, (policy, random) => {
      assert.ok(longestDelay(policy, random) >= leastHoldMs);
      assert.ok(longestDelay(policy, random) >= Math.floor(policy.maxMs * (1 - policy.jitter)));
    }),
  );
});

t.test("failures leave the window when they are as old as it is long", async (t) => {
  const policy = {
    when: "always",
    backoff: { initialMs: 1, factor: 1, maxMs: 1, jitter: 0 },
    attempts: 3,
    withinMs: 10,
  } as const;
  t.same(withinWindow([0, 1, 5, 10], policy, 10), [1, 5, 10]);
  t.same(withinWindow([0, 1, 5, 10], policy, 11), [5, 10]);
});
