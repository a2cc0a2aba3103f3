import t from "tap";
import { probed, story } from "../policy/fixtures/story.ts";
import { Machine } from "../routines/fixtures/machine.ts";
import { Counts } from "./counts.ts";
import { factsOf } from "./facts.ts";

const noRoutines = {
  stateDir: "/",
  journalOf: () => null,
  now: () => ({ mono: 0, wall: 0 }),
  declared: {},
  engine: null,
};

t.test(
  "restarts are counted by cause, recoveries by how long they took, rollbacks by how they ended",
  async (t) => {
    const s = story({ agents: { a: {}, b: probed } })
      .healthy("a")
      .healthy("b");
    const counts = new Counts();
    const count = () => {
      counts.countAgents(s.records.splice(0), s.state);
      return factsOf(sourceOf(s), noRoutines, counts);
    };
    const [before] = count().agents;
    t.match(before, {
      phase: "healthy",
      recovering: false,
      stopped: false,
      recoveries: null,
      restarts: { crash: 0 },
    });
    s.exit("a");
    t.match(count().agents[0], {
      phase: "backoff",
      recovering: true,
      startedAt: null,
      restarts: { crash: 1, hang: 0 },
    });
    s.wait(2_000);
    const recovered = count().agents[0];
    t.match(recovered, { phase: "healthy", recovering: false, restarts: { crash: 1 } });
    const { counts: buckets = [], sum = 0 } = recovered?.recoveries ?? {};
    t.equal(
      buckets.reduce((all, each) => all + each, 0),
      1,
    );
    t.ok(sum >= 0.1 && sum <= 2, "in seconds");
    s.deploy("/g/2", { agents: { b: probed } });
    t.same(
      count().agents.map(({ name }) => name),
      ["b"],
    );
  },
);

t.test("a rollback is counted once it has ended", async (t) => {
  const s = story({ agents: { a: "good" } })
    .healthy("a")
    .proven();
  const counts = new Counts();
  s.deploy("/g/2", { agents: { a: "bad" } });
  s.exits("a", 3);
  counts.countAgents(s.records, s.state);
  t.match(counts.rollbacks, { "rolled-back": 1, "rollback-failed": 0 });
  t.match(factsOf(sourceOf(s), noRoutines, counts), { quarantined: 1, rollingBack: false });
});

t.test("runs of routines are counted by outcome, by overlap and by lateness", async (t) => {
  const machine = new Machine("2026-01-01T00:00:30Z", () => ({
    takesMs: 90_000,
    cause: { kind: "exit", code: 0 },
  }));
  machine.declare({ etl: { schedules: [{ expression: "* * * * *", timezone: "UTC" }] } });
  machine.pass(10 * 60_000);
  const counts = new Counts();
  counts.countRoutines(machine.records);
  const of = (action: string) => machine.records.filter((record) => record.action === action).length;
  const { runs, overlaps, lateness } = counts.routine("etl");
  t.ok(of("routine.finished") > 2);
  t.match(runs, { succeeded: of("routine.finished"), failed: 0 });
  t.same(overlaps, { skipped: of("routine.skipped"), queued: 0, dropped: 0 });
  t.equal(
    lateness?.counts.reduce((all, each) => all + each, 0),
    of("routine.started"),
  );
});

function sourceOf(s: ReturnType<typeof story>) {
  return { state: s.state, current: null, runs: s.alive, outbox: { connected: true, waiting: [] } };
}
