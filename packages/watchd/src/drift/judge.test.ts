import type { DriftPolicy } from "@daruma/config";
import { faultsOfDetails } from "@daruma/ledger";
import fc from "fast-check";
import t from "tap";
import type { Difference } from "./difference.ts";
import { begin, type DriftState, initialDrift, judge, went } from "./judge.ts";

const correct: DriftPolicy = {
  policy: "correct",
  everyMs: 1_000,
  storeEveryMs: 1,
  attempts: 2,
  withinMs: 3_600_000,
  ignore: [],
};
const report: DriftPolicy = { ...correct, policy: "report" };

function link(at = "/etc/x", observed = "absent"): Difference {
  const remedy = { kind: "switch", setAside: null } as const;
  return { kind: "etc", at, declared: ["link"], observed: [observed], remedy };
}

/** A machine on which somebody does things, and what the ledger tells of it. */
class Tale {
  state: DriftState = initialDrift;
  now = 0;
  readonly policy: DriftPolicy;
  corrections = 0;
  generation = "/g1";

  constructor(policy: DriftPolicy) {
    this.policy = policy;
  }

  /** A look after `afterMs`; what it told, and whether the difference is put right (which does not help by itself). */
  look(differences: readonly Difference[], afterMs = 1_000, problems: readonly string[] = []): string[] {
    this.now += afterMs;
    const seen = { generation: this.generation, differences, unseen: [] };
    const judged = judge(this.state, seen, this.policy, this.now);
    this.state = judged.state;
    const records = [...judged.records];
    if (judged.due.length > 0) {
      const begun = begin(this.state, judged.due, "policy", this.now);
      this.state = went(begun.state, problems);
      records.push(...begun.records);
      this.corrections += judged.due.length;
    }
    for (const { action, details } of records) t.same(faultsOfDetails(action, details), [], action);
    return records.map(({ action }) => action);
  }
}

t.test(
  "what is seen once is told by nobody; what stays is told once, and that it is gone as well",
  async (t) => {
    const tale = new Tale(report);
    t.same(tale.look([link()]), []);
    t.same(tale.look([]), [], "it has passed");
    t.same(tale.look([link()]), []);
    t.same(tale.look([link()]), ["drift.found"]);
    t.same(tale.look([link()]), []);
    t.same(tale.look([link("/etc/x", "directory")]), [], "other than before: that is a first sight");
    t.same(tale.look([link("/etc/x", "directory")]), ["drift.found"]);
    t.same(tale.look([]), ["drift.gone"]);
    t.equal(tale.corrections, 0, "nothing is touched");
  },
);

t.test("under the policy to correct it is put right and looked at again", async (t) => {
  const tale = new Tale(correct);
  tale.look([link()]);
  t.same(tale.look([link()]), ["drift.found", "drift.correct"]);
  t.same(tale.look([], 10), ["drift.corrected"]);
});

t.test(
  "there is no loop of corrections: what comes back is held, with an alert, and no more is done",
  async (t) => {
    const tale = new Tale(correct);
    const all = Array.from({ length: 40 }, () => tale.look([link()], 1_000, ["nothing helps"])).flat();
    t.equal(tale.corrections, correct.attempts);
    t.same(
      all,
      [
        ["drift.found", "drift.correct"],
        ["drift.correction-failed", "drift.correct"],
        ["drift.correction-failed", "drift.hold", "alert.raise"],
      ].flat(),
    );
    t.same(tale.look([]), ["drift.gone"]);
    tale.look([link()]);
    t.same(
      tale.look([link()]),
      ["drift.found", "drift.hold", "alert.raise"],
      "that it was gone is no fresh start",
    );
    tale.generation = "/g2";
    t.same(tale.look([link()]), ["drift.gone"]);
    t.same(tale.look([link()]), ["drift.found", "drift.correct"], "another generation is");
  },
);

t.test("a correction that is cut off counts all the same", async (t) => {
  const tale = new Tale({ ...correct, attempts: 1 });
  tale.look([link()]);
  tale.look([link()]);
  tale.state = JSON.parse(JSON.stringify(tale.state));
  t.same(tale.look([link()], 5_000), ["drift.correction-failed", "drift.hold", "alert.raise"]);
});

t.test(
  "however a machine behaves, one difference is put right at most `attempts` times in the window",
  async () => {
    const step = fc.record({
      present: fc.boolean(),
      text: fc.constantFrom("a", "b"),
      afterMs: fc.integer({ min: -100_000, max: 900_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tale = new Tale(correct);
        tale.now = 10_000_000;
        const times: number[] = [];
        for (const { present, text, afterMs } of steps) {
          const before = tale.corrections;
          tale.look(present ? [link("/etc/x", text)] : [], afterMs);
          if (tale.corrections > before) times.push(tale.now);
        }
        return times.every(
          (time) =>
            times.filter((other) => other <= time && time - other < correct.withinMs).length <=
            correct.attempts,
        );
      }),
    );
  },
);

t.test("what could not be looked at is neither new nor gone", async (t) => {
  const tale = new Tale(report);
  tale.look([link()]);
  tale.look([link()]);
  const judged = judge(tale.state, { generation: "/g1", differences: [], unseen: ["etc"] }, report, 9_000);
  t.same(judged.records, []);
  t.same(judged.state.known, tale.state.known);
});

t.test(
  "what nobody but a person can put right is only told; what its watcher did is told as done",
  async (t) => {
    const tale = new Tale(correct);
    const none = {
      ...link("/run/current-system"),
      remedy: { kind: "none", why: "a person decides" },
    } as const;
    const done = {
      ...link("table"),
      kind: "wall",
      remedy: { kind: "done", by: "daruma-egress-watch" },
    } as const;
    tale.look([none, done]);
    t.same(tale.look([none, done]), ["drift.found", "drift.found"]);
    t.same(tale.look([]), ["drift.gone", "drift.corrected"]);
    t.equal(tale.corrections, 0);
  },
);
