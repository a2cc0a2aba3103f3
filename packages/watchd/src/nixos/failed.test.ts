import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { initialState, type State } from "../policy/state.ts";
import { createFailures, entriesOf, type WatchdFailure } from "./failures.ts";
import { FakeHost, manifest } from "./fixtures/fake-host.ts";
import { gatesOf } from "./gates.ts";

interface Lab {
  readonly host: FakeHost;
  readonly good: string;
  readonly bad: string;
  /** What the watchd of the good generation has left, with some of it as given. */
  gates(change?: Partial<State>): void;
  failures(): Promise<readonly WatchdFailure[]>;
}

const fresh = initialState({ epoch: "e", bootId: "b", seed: 1 });
const instant = { mono: 0, wall: 0 };

/** The good generation was promoted; in the bad one, with another watchd, watchd never came up. */
function lab(t: Test, bad: Parameters<FakeHost["build"]>[1] = {}): Lab {
  const host = new FakeHost(t);
  const good = host.deploy(1, "good", { watchd: "/nix/store/one/bin/watchd", host: manifest("one") });
  const watchd = "/nix/store/two/bin/watchd";
  const path = host.deploy(2, "bad", { watchd, host: manifest("one"), ...bad });
  host.promote(1, good);
  host.write("watchd-state", "failed\n");
  const generation = {
    number: 1,
    path: good,
    hostDigest: "one",
    watchdog: { probationMs: 1, rollbackBudget: 1 },
    activated: instant,
    activatedTurn: 1,
  };
  const made: Lab = {
    host,
    good,
    bad: path,
    gates: (change = {}) => host.write("state/gates", gatesOf({ ...fresh, generation, ...change })),
    failures: () => createFailures({ state: host.site.state }).untold(),
  };
  made.gates();
  return made;
}

/** Nothing was switched, and the journal and the record say why. */
async function refuses(t: Test, { host, bad, failures }: Lab, why: RegExp, env: Record<string, string> = {}) {
  const { code, stderr } = await host.watchdFailed(env);
  t.equal(code, 0);
  t.equal(host.current, bad);
  t.same(
    host.log.filter((line) => !line.startsWith("nix-store")),
    [],
  );
  t.match(stderr, /^<2>daruma: .*not rolled back/m);
  const [failure] = await failures();
  t.match(failure, { decision: "alert", from: bad, target: null, rollback: null, outcome: null });
  t.ok(
    failure?.why.some((line) => why.test(line)),
    `${failure?.why.join("; ")} matches ${why}`,
  );
}

t.test("a watchd that never came up after a deploy is rolled back without it", async (t) => {
  const { host, good, bad, failures } = lab(t);
  const env = {
    MONITOR_SERVICE_RESULT: "start-limit-hit",
    MONITOR_EXIT_CODE: "exited",
    MONITOR_EXIT_STATUS: "1",
  };
  const { code, stderr } = await host.watchdFailed(env);
  t.equal(code, 0);
  t.same(host.facts, { profile: "system-1-link", boots: good, current: good });
  t.match(stderr, /^<2>daruma: .*going back/m);
  t.equal(host.read("watchd-state"), "active\n", "watchd is started");
  const [failure, ...others] = await failures();
  t.same(others, []);
  t.match(failure, {
    decision: "rollback",
    from: bad,
    target: good,
    serviceResult: "start-limit-hit",
    exitCode: "exited",
    exitStatus: "1",
    outcome: { verdict: "switched", bootExit: 0, switchExit: 0 },
  });
  t.equal(failure?.rollback, failure?.id);
  t.equal(failure?.outcome?.id, failure?.id);
});

t.test("a manifest that differs is reason enough, even one that cannot be read", async (t) => {
  const changed = lab(t, { watchd: "/nix/store/one/bin/watchd", host: manifest("two") });
  await changed.host.watchdFailed();
  t.equal(changed.host.current, changed.good);
  const broken = lab(t, { watchd: "/nix/store/one/bin/watchd" });
  writeFileSync(join(broken.bad, "etc/daruma/host.json"), "{");
  await broken.host.watchdFailed();
  t.equal(broken.host.current, broken.good);
});

t.test(
  "a watchd that hung is not put down to a manifest that differs, but to a program that does",
  async (t) => {
    const env = {
      MONITOR_SERVICE_RESULT: "watchdog",
      MONITOR_EXIT_CODE: "killed",
      MONITOR_EXIT_STATUS: "ABRT",
    };
    const busy = lab(t, { watchd: "/nix/store/one/bin/watchd", host: manifest("two") });
    await refuses(t, busy, /the same watchd, which was up and then hung/, env);
    const hanging = lab(t);
    await hanging.host.watchdFailed(env);
    t.equal(hanging.host.current, hanging.good);
  },
);

t.test("where the target has the same watchd and manifest, going back cannot help", async (t) => {
  await refuses(t, lab(t, { watchd: "/nix/store/one/bin/watchd" }), /the same watchd and the same manifest/);
});

t.test("a generation in which watchd has proven itself is not left", async (t) => {
  const made = lab(t);
  made.host.promote(2, made.bad);
  await refuses(t, made, /proven itself/);
});

t.test("without a known-good generation there is nowhere to go", async (t) => {
  const made = lab(t);
  rmSync(join(made.host.site.gcroots, "known-good-1-1"));
  await refuses(t, made, /no known-good generation is left/);
});

t.test(
  "a target that is quarantined, rejected, damaged, gone or without watchd is passed over",
  async (t) => {
    const quarantine = (path: string) => [{ path, number: 1, agent: "a", digest: "d", incident: "i", at: 0 }];
    const ways: readonly [string, RegExp, (made: Lab) => void][] = [
      ["quarantined", /quarantined or damaged/, (made) => made.gates({ quarantine: quarantine(made.good) })],
      ["rejected", /quarantined or damaged/, (made) => made.gates({ rejected: [made.good] })],
      ["damaged", /did not verify/, (made) => made.host.write("damaged", `${made.good}\n`)],
      ["gone", /has no daruma-watchd.service/, (made) => rmSync(made.good, { recursive: true })],
    ];
    for (const [name, why, prepare] of ways) {
      t.comment(name);
      const alone = lab(t);
      prepare(alone);
      await refuses(t, alone, why);
      const two = lab(t);
      const older = two.host.build("older");
      two.host.promote(0, older);
      prepare(two);
      await two.host.watchdFailed();
      t.equal(two.host.current, older, "the next older one is taken instead");
    }
  },
);

t.test("of the known-good generations the newest promotion is the target", async (t) => {
  const { host } = lab(t);
  const newest = host.build("newest");
  host.promote(10, newest);
  host.promote(9, host.build("other"));
  await host.watchdFailed();
  t.equal(host.current, newest);
});

t.test("a budget that is spent is respected", async (t) => {
  const spent = lab(t);
  spent.gates({ spentBudget: { [spent.bad]: 1 } });
  await refuses(t, spent, /1 of 1 rollback/);
  const other = lab(t);
  other.gates({ spentBudget: { [other.good]: 1 } });
  await other.host.watchdFailed();
  t.equal(other.host.current, other.good, "what was spent on another generation does not count");
});

t.test("the budget is that of the generation which runs", async (t) => {
  const none = lab(t, { host: { watchdog: { probationMs: 1, rollbackBudget: 0 } } });
  await refuses(t, none, /0 of 0 rollback/);
  const two = lab(t, { host: { watchdog: { probationMs: 1, rollbackBudget: 2 } } });
  two.gates({ spentBudget: { [two.bad]: 1 } });
  await two.host.watchdFailed();
  t.equal(two.host.current, two.good);
});

t.test(
  "without gates, with torn ones or those of another release nothing is known, so nothing is done",
  async (t) => {
    const missing = lab(t);
    missing.host.remove("state/gates");
    await refuses(t, missing, /gates is missing or from another release/);
    const torn = lab(t);
    torn.host.write("state/gates", torn.host.read("state/gates").replace("end\n", ""));
    await refuses(t, torn, /gates is missing or from another release/);
    const later = lab(t);
    later.host.write("state/gates", later.host.read("state/gates").replace("gates 1", "gates 2"));
    await refuses(t, later, /gates is missing or from another release/);
    const strange = lab(t);
    strange.host.write("state/gates", `daruma-gates 1\nspent many ${strange.bad}\nend\n`);
    await refuses(t, strange, /no number/);
  },
);

t.test("words in the gates that a later release adds are passed over", async (t) => {
  const { host, good } = lab(t);
  host.write("state/gates", host.read("state/gates").replace("end\n", "mood good * /etc/*\nend\n"));
  await host.watchdFailed();
  t.equal(host.current, good);
});

t.test("a watchd that says that the fault is outside is no reason to go back", async (t) => {
  await refuses(t, lab(t), /fault is outside/, { MONITOR_EXIT_STATUS: "75" });
});

t.test("a failure that is older than the generation is not blamed on it", async (t) => {
  const made = lab(t);
  made.host.activate(made.good);
  await made.host.watchdFailed();
  t.equal((await made.failures())[0]?.from, made.good);
  made.host.activate(made.bad);
  const { code, stderr } = await made.host.watchdFailed();
  t.equal(code, 0);
  t.match(stderr, /this failure is not new/);
  t.equal(made.host.current, made.bad);
  t.equal((await made.failures()).length, 1, "one record until watchd has been back");
});

t.test(
  "a generation is left once only, also after watchd was back, until a person vouches for it",
  async (t) => {
    const made = lab(t);
    await made.host.watchdFailed();
    t.equal(made.host.current, made.good);
    const failures = createFailures({ state: made.host.site.state });
    for (const { id } of await failures.untold()) await failures.markTold(id);
    t.same(await failures.untold(), []);
    made.host.activate(made.bad);
    made.host.write("watchd-state", "failed\n");
    made.host.remove("log");
    await refuses(t, made, /has been left once/);
    for (const { id } of await failures.untold()) await failures.markTold(id);
    await failures.forgive("/nix/store/another");
    await failures.forgive(made.bad);
    await made.host.watchdFailed();
    t.equal(made.host.current, made.good);
  },
);

t.test("a rollback that watchd had decided is carried out under its own id", async (t) => {
  const made = lab(t);
  const rollback = {
    id: "rb-e-7",
    by: "watchd" as const,
    from: made.bad,
    target: made.good,
    targetNumber: 1,
    agent: "a",
    incident: "i",
    decided: instant,
    attempts: 1,
  };
  // The decision itself has spent the budget, and watchd's own unit may well be the same.
  made.gates({ rollback, spentBudget: { [made.bad]: 1 } });
  await made.host.watchdFailed();
  t.equal(made.host.current, made.good);
  t.match(made.host.resultOf(), { id: "rb-e-7", verdict: "switched" });
  const [failure] = await made.failures();
  t.match(failure, { decision: "rollback", rollback: "rb-e-7", outcome: { id: "rb-e-7" } });
});

t.test("a decided rollback away from another generation is none of this one", async (t) => {
  const made = lab(t);
  const from = made.host.build("elsewhere");
  const rollback = {
    id: "rb-e-7",
    by: "watchd" as const,
    from,
    target: made.good,
    targetNumber: 1,
    agent: "a",
    incident: "i",
    decided: instant,
    attempts: 1,
  };
  made.gates({ rollback });
  await made.host.watchdFailed();
  const [failure] = await made.failures();
  t.equal(failure?.rollback, failure?.id);
});

t.test("a rollback that fails is told as such, and not tried again", async (t) => {
  const { host, bad, failures } = lab(t);
  host.behave("boot", 1);
  const { code, stderr } = await host.watchdFailed();
  t.equal(code, 1);
  t.match(stderr, /^<2>daruma: .*failed/m);
  t.same(host.facts, { profile: "system-2-link", boots: bad, current: bad });
  t.match((await failures())[0], { decision: "rollback", outcome: { verdict: "vetoed" } });
  host.remove("behave/boot");
  await host.watchdFailed();
  t.equal(host.current, bad);
});

t.test("a rollback that cannot be recorded is not begun", async (t) => {
  const { host, bad } = lab(t);
  host.write("state/failed", "");
  const { code, stderr } = await host.watchdFailed();
  t.equal(code, 1);
  t.match(stderr, /^<2>daruma: .*cannot be recorded/m);
  t.equal(host.current, bad);
});

t.test("a watchd that is up again, or coming, is left alone", async (t) => {
  for (const state of ["active", "activating"]) {
    const { host, bad, failures } = lab(t);
    host.write("watchd-state", `${state}\n`);
    const { code } = await host.watchdFailed();
    t.equal(code, 0);
    t.equal(host.current, bad);
    t.same(await failures(), []);
  }
});

t.test("a switch that is under way is waited for, and what it made current is judged", async (t) => {
  const { host, good, bad } = lab(t);
  host.activate(good);
  host.occupy("/nix/store/x/bin/switch-to-configuration switch");
  const ended = host.watchdFailed();
  await host.until(() => host.read("systemctl").split("\n").length > 3);
  host.activate(bad);
  host.remove("unit");
  t.equal((await ended).code, 0);
  t.equal(host.current, good);
  t.ok(existsSync(join(host.site.state, "failed")));
});

t.test("arguments that are unknown or unusable are refused", async (t) => {
  const { host } = lab(t);
  const { failedProgram } = await import("./fixtures/fake-host.ts");
  for (const args of [["--force"], ["--force", "x"], ["--state", "a b"], ["--wait-seconds", "soon"]])
    t.equal((await host.run(failedProgram, args)).code, 2, args.join(" "));
});

t.test("a failure becomes ledger entries that share an incident", async (t) => {
  const { host, good, bad, failures } = lab(t);
  await host.watchdFailed();
  const [failure] = await failures();
  if (failure === undefined) throw new Error("there is no record");
  const entries = entriesOf(failure);
  t.same(
    entries.map(({ action, subject, severity }) => [action, subject, severity]),
    [
      ["watchd.failed", "watchd", "critical"],
      ["generation.rollback", good, "critical"],
      ["generation.rolled-back", good, "warning"],
    ],
  );
  for (const { incident, at } of entries) {
    t.equal(incident, failure.id);
    t.ok(Math.abs(at - Date.now()) < 60_000);
  }
  t.match(entries[1]?.details, { by: "watchd-failed", from: bad, rollback: failure.id });
  const vetoed = {
    ...failure,
    outcome: failure.outcome && { ...failure.outcome, verdict: "vetoed" as const },
  };
  t.equal(entriesOf(vetoed).at(-1)?.action, "generation.rollback-failed");
  t.equal(entriesOf({ ...failure, outcome: null }).length, 2);
  t.equal(
    entriesOf({ ...failure, decision: "alert", target: null, rollback: null, outcome: null }).length,
    1,
  );
});
