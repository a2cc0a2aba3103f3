import fc from "fast-check";
import t from "tap";
import { emptyHead, maxEntryBytes, prepareEntry } from "./entry.ts";
import {
  type ChainState,
  type GroupRequest,
  type HeldKeys,
  heldAfterFailure,
  holdKey,
  type OutboxKey,
  planGroup,
} from "./group.ts";
import { draft } from "./test-support.ts";
import { ChainVerifier } from "./verify.ts";

const empty: ChainState = { head: emptyHead, writers: new Map() };
const nothingHeld: HeldKeys = new Map();
const time = "2026-11-23T10:00:00.000Z";

function request(n: number | null, epoch = "e1", writer = "watchd", details = {}): GroupRequest {
  const key = n === null ? null : { epoch, n };
  return { writer, prepared: prepareEntry({ ...draft, details }, "etl-01", writer), key };
}

const plan = (requests: readonly GroupRequest[], state = empty, held = nothingHeld) =>
  planGroup(state, held, requests, time);

const kinds = (outcomes: readonly { readonly kind: string }[]) => outcomes.map(({ kind }) => kind);

t.test("a group continues the chain, and every outcome says where its entry is", async (t) => {
  const first = plan([request(null), request(null)]);
  const second = plan([request(null)], first.next);
  const verifier = new ChainVerifier();
  for (const { line } of [...first.entries, ...second.entries])
    t.equal(verifier.push(Buffer.from(line)), null);
  t.same(verifier.last, second.next.head);
  t.match(second.outcomes, [{ kind: "written", seq: 3, hash: second.next.head.hash, time }]);
});

t.test(
  "an append with a key that was written is a duplicate, in the same group or a later one",
  async (t) => {
    const first = plan([request(1), request(1), request(2), request(1)]);
    t.same(kinds(first.outcomes), ["written", "duplicate", "written", "duplicate"]);
    t.equal(first.entries.length, 2);
    t.same(kinds(plan([request(0), request(2), request(3)], first.next).outcomes), [
      "duplicate",
      "duplicate",
      "written",
    ]);
  },
);

t.test("a new epoch starts anew, and writers do not share keys", async (t) => {
  const first = plan([request(5), request(1, "e2"), request(5, "e1", "operator")]);
  t.same(kinds(first.outcomes), ["written", "written", "written"]);
  t.same(Object.fromEntries(first.next.writers), {
    watchd: [
      { epoch: "e2", n: 1 },
      { epoch: "e1", n: 5 },
    ],
    operator: [{ epoch: "e1", n: 5 }],
  });
});

t.test(
  "a writer with several outboxes has none of its appends written twice, however they alternate",
  async (t) => {
    const first = plan([request(1, "a"), request(1, "b"), request(2, "a")]);
    t.same(kinds(plan([request(1, "b"), request(2, "a"), request(2, "b")], first.next).outcomes), [
      "duplicate",
      "duplicate",
      "written",
    ]);
  },
);

t.test("of many epochs, those that were not used for longest are forgotten", async (t) => {
  const epochs = Array.from({ length: 16 }, (_, index) => `e${index}`);
  const full = plan([...epochs, "e0", "new"].map((epoch, n) => request(n, epoch))).next;
  t.equal(full.writers.get("watchd")?.length, 16);
  t.same(kinds(plan([request(0, "e0"), request(1, "e1")], full).outcomes), ["duplicate", "written"]);
});

t.test("a group that fails holds the keys of each outbox that it has appends of", async (t) => {
  const failed = plan([request(3, "a"), request(7, "b")]);
  const held = heldAfterFailure(empty, failed.held, failed);
  t.same(kinds(plan([request(4, "a"), request(8, "b")], empty, held).outcomes), ["refused", "refused"]);
});

t.test("after a failed append, later keys are refused until it is written", async (t) => {
  const before = plan([request(1), request(2)]);
  const failed = plan([request(null), request(3), request(4)], before.next);
  const held = heldAfterFailure(before.next, failed.held, failed);
  const overtaking = plan([request(5), request(null)], before.next, held);
  t.match(overtaking.outcomes, [
    { kind: "refused", error: { code: "LEDGER_E_OUT_OF_ORDER" } },
    { kind: "written" },
  ]);
  const again = plan([request(3), request(4), request(5)], overtaking.next, held);
  t.same(kinds(again.outcomes), ["written", "written", "written"]);
  t.same(kinds(plan([request(6)], again.next, held).outcomes), ["written"], "and it holds nothing any more");
  t.same(
    kinds(plan([request(1, "e2")], before.next, held).outcomes),
    ["written"],
    "another epoch is not held",
  );
});

t.test("a second failure holds the earlier key of the two", async (t) => {
  const failed = plan([request(3), request(4)]);
  const once = heldAfterFailure(empty, failed.held, failed);
  const twice = heldAfterFailure(empty, once, plan([request(3)], empty, once));
  t.same(twice.get("watchd e1"), { epoch: "e1", n: 3 });
  const written = plan([request(3)], empty, twice).next;
  const later = heldAfterFailure(written, twice, plan([request(4)], written, twice));
  t.same(later.get("watchd e1"), { epoch: "e1", n: 4 }, "once 3 is written, 4 is the first that failed");
});

t.test("an entry that is too large is refused, and later keys do not take its place", async (t) => {
  const large = { text: "x".repeat(maxEntryBytes) };
  const group = plan([request(1), request(2, "e1", "watchd", large), request(3), request(null)]);
  t.match(group.outcomes, [
    { kind: "written", seq: 1 },
    { error: { code: "LEDGER_E_TOO_LARGE" } },
    { error: { code: "LEDGER_E_OUT_OF_ORDER" } },
    { kind: "written", seq: 2 },
  ]);
  t.equal(group.entries.length, 2);
  t.same(kinds(plan([request(3), request(2), request(3)], group.next, group.held).outcomes), [
    "refused",
    "written",
    "written",
  ]);
});

t.test("a key that was refused before it got here is held like one that failed", async (t) => {
  const held = holdKey(
    empty.writers,
    holdKey(empty.writers, nothingHeld, "watchd", { epoch: "e1", n: 2 }),
    "watchd",
    {
      epoch: "e1",
      n: 3,
    },
  );
  t.same(kinds(plan([request(1), request(3), request(2), request(3)], empty, held).outcomes), [
    "written",
    "refused",
    "written",
    "written",
  ]);
  const written = plan([request(5)]).next;
  const late = holdKey(written.writers, nothingHeld, "watchd", { epoch: "e1", n: 4 });
  t.same(
    kinds(plan([request(6)], written, late).outcomes),
    ["written"],
    "a duplicate that is bad holds nothing",
  );
});

t.test("an empty group, or one of duplicates only, changes nothing", async (t) => {
  const state = plan([request(1)]).next;
  t.same(plan([], state).next, state);
  const duplicates = plan([request(1), request(1)], state);
  t.same(duplicates.next, state);
  t.equal(duplicates.entries.length, 0);
  t.equal(duplicates.firstKeys.length, 0);
});

/**
 * A writer with an outbox sends windows of it in order, from its first unacknowledged append on, to a ledger whose
 * groups fail at times, and where a failed one may turn out to be written after all.
 */
const rounds = fc.array(
  fc.record({
    window: fc.integer({ min: 1, max: 5 }),
    groupOf: fc.integer({ min: 1, max: 3 }),
    fates: fc.array(fc.constantFrom("written", "lost", "written unseen"), { minLength: 5, maxLength: 5 }),
  }),
  { maxLength: 40 },
);

t.test("with an outbox every append is written once and in order, whatever groups fail", async () => {
  fc.assert(
    fc.property(rounds, (rounds) => {
      let state = empty;
      let held = nothingHeld;
      let acknowledged = 0;
      const written: number[] = [];
      for (const { window, groupOf, fates } of rounds) {
        const sent = Array.from({ length: window }, (_, index) => acknowledged + index + 1);
        const done = new Set<number>();
        for (let at = 0; at < sent.length; at += groupOf) {
          const ns = sent.slice(at, at + groupOf);
          const group = plan(
            ns.map((n) => request(n)),
            state,
            held,
          );
          const fate = fates[at];
          if (fate === "written")
            for (const [i, n] of ns.entries()) if (group.outcomes[i]?.kind !== "refused") done.add(n);
          held = fate === "written" ? group.held : heldAfterFailure(state, group.held, group);
          if (fate === "lost") continue;
          for (const [i, n] of ns.entries()) if (group.outcomes[i]?.kind === "written") written.push(n);
          state = group.next;
        }
        while (done.has(acknowledged + 1)) acknowledged += 1;
      }
      const inOrder = written.every((n, index) => n === index + 1);
      return inOrder && written.length >= acknowledged;
    }),
    { numRuns: 1000 },
  );
});

t.test("held keys are told apart from free ones by epoch and order", async (t) => {
  const held = new Map<string, OutboxKey>([["watchd e1", { epoch: "e1", n: 3 }]]);
  t.same(kinds(plan([request(2), request(4), request(3), request(4)], empty, held).outcomes), [
    "written",
    "refused",
    "written",
    "written",
  ]);
});
