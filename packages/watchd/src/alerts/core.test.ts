import { faultsOfDetails } from "@daruma/ledger";
import t from "tap";
import { alertsManifest, away, delivered, hour, minute, World } from "./fixtures/world.ts";

t.test(
  "an agent tells of any recovery, of escalations, of what stays unresolved, or of nothing",
  async (t) => {
    const sentAt = (on: "recovery" | "escalation" | "unresolved" | "never") => {
      const world = new World(alertsManifest({ agents: { app: on } }));
      const told: string[] = [];
      const note = (what: string) => {
        if (world.arrived.length > told.length) told.push(what);
      };
      world.fail("app");
      note("failure");
      world.hear({
        action: "recovery.escalate",
        incident: "inc-app",
        details: { to: "rollback", because: ["why"] },
      });
      note("escalation");
      world.raise("app");
      note("unresolved");
      world.recover("app");
      note("end");
      return told;
    };
    t.same(sentAt("recovery"), ["failure", "escalation", "unresolved", "end"]);
    t.same(sentAt("escalation"), ["escalation", "unresolved", "end"]);
    t.same(sentAt("unresolved"), ["unresolved", "end"]);
    t.same(sentAt("never"), []);
  },
);

t.test("what recovers in time is not told; what does not is, under one key until its end", async (t) => {
  const world = new World();
  world.fail("app");
  world.pass(9 * minute);
  world.recover("app");
  world.pass(hour);
  t.same(world.arrived, []);

  world.hear({ incident: "inc-2" });
  world.pass(11 * minute);
  t.match(world.titles("chat"), [/^open app has not recovered for 600 s$/]);
  t.match(world.arrived[0]?.message.notice, { key: "h1/agent/app", severity: "critical", incident: "inc-2" });
  world.hear({ incident: "inc-2" });
  t.equal(world.arrived.length, 1, "further failures of the same incident are no news");
  world.hear({ action: "recovery.verified", incident: "inc-2" });
  t.match(world.arrived[1]?.message.notice, { key: "h1/agent/app", state: "over" });
  t.same(world.state.conditions, {});
  t.same(world.state.announced, {});
});

t.test("an end that is in no entry is found by comparing with what the policy knows", async (t) => {
  const world = new World(alertsManifest({ agents: { app: "recovery" } }));
  world.fail("app");
  world.step({ type: "incidents", open: {} });
  t.equal(world.arrived.length, 1, "what has only just begun may be news to come");
  world.pass(minute);
  world.step({ type: "incidents", open: { app: "inc-app" } });
  t.equal(world.arrived.length, 1);
  world.step({ type: "incidents", open: {} });
  t.match(world.titles("chat")[1], /^over app is no longer failing/);
  world.hear({ incident: "inc-3" });
  world.setting = { ...world.setting, alerts: alertsManifest({ agents: {} }) };
  world.step({ type: "tick" });
  t.match(world.titles("chat")[3], /^over app is no longer declared/);
});

t.test("routines tell of success, failure and anomaly, and a later success ends both", async (t) => {
  const world = new World(
    alertsManifest({ routines: { etl: ["success", "failure", "anomaly"], quiet: [] } }),
  );
  const finished = (outcome: string, run: string, subject = "etl") =>
    ({
      action: "routine.finished",
      subject,
      run,
      details: { outcome, tookMs: 5, why: "retries-spent" },
    }) as const;
  const odd = (run: string) =>
    ({
      action: "routine.anomaly",
      subject: "etl",
      run,
      details: { count: "loaded", value: 0, why: "below", bound: 1 },
    }) as const;
  world.hear(finished("failed", "r1"));
  world.hear(finished("failed", "r1", "quiet"));
  world.hear(finished("stopped", "r2"));
  world.hear(finished("succeeded", "r3"), odd("r3"));
  world.pass(2 * minute);
  world.hear(finished("succeeded", "r4"), odd("r4"));
  world.hear(finished("succeeded", "r5"));
  t.match(world.titles("chat"), [
    /^open etl has failed: retries-spent/,
    /^over etl has succeeded/,
    /^event etl has succeeded/,
    /^open etl has succeeded with an odd result: loaded is below/,
    /^event etl has succeeded/,
    /^open etl has succeeded with an odd result/,
    /^over etl has succeeded/,
    /^event etl has succeeded/,
  ]);
});

t.test("the host's own troubles go to the host's sinks", async (t) => {
  const world = new World(alertsManifest({ sinks: { a: {}, b: {} }, to: ["b"] }));
  world.hear(
    {
      action: "generation.rollback-failed",
      subject: "/nix/store/x",
      details: { rollback: "rb", problems: ["p"] },
    },
    {
      action: "generation.rolled-back",
      subject: "/nix/store/x",
      details: { rollback: "rb", from: "/nix/store/y" },
    },
  );
  world.step({ type: "ledger", away: true });
  world.step({ type: "ledger", away: true });
  world.step({ type: "ledger", away: false });
  world.hear({ action: "egress.self-test", details: { outcome: "open", ways: 3, problems: ["p"] } });
  world.pass(10 * minute);
  world.hear({ action: "egress.self-test", details: { outcome: "passed", ways: 3, problems: [] } });
  t.same(world.titles("a"), []);
  t.match(world.titles("b"), [
    /^open a rollback has failed/,
    /^over a rollback has come about/,
    /^event the system was rolled back/,
    /^open the ledger takes no entries/,
    /^over the ledger takes entries again/,
    /^open app can get past its proxy/,
    /^over app cannot get past its proxy/,
  ]);
});

t.test("a generation that cannot be marked known-good is told once, and when that is over", async (t) => {
  const failed = { action: "generation.promotion-failed", subject: "/x", details: { message: "no space" } };
  for (const [end, title] of [
    [{ action: "generation.known-good", subject: "/x" }, /^over \/x is known-good/],
    [{ action: "generation.switch", subject: "/y" }, /^over another generation is current/],
  ] as const) {
    const world = new World(alertsManifest({ sinks: { a: {} }, to: ["a"] }));
    world.hear(failed, failed);
    t.match(world.arrived[0]?.message.notice, { severity: "critical", details: ["/x", "no space"] });
    world.hear(end);
    t.match(world.titles("a"), [/^open a generation could not be marked known-good/, title]);
  }
});

t.test(
  "1,000 incidents in a minute are some messages and one digest, and it is over when all of them are",
  async (t) => {
    const names = Array.from({ length: 1000 }, (_, n) => `agent-${n}`);
    const world = new World(
      alertsManifest({
        agents: Object.fromEntries(names.map((name) => [name, "recovery"])),
        afterMs: 100 * hour,
      }),
    );
    for (let at = 0; at < names.length; at += 25) {
      world.fail(...names.slice(at, at + 25));
      world.now += 1_500;
    }
    world.pass(2 * minute);
    t.equal(world.arrived.length, 6);
    t.match(world.arrived[5]?.message, {
      count: 995,
      notice: { state: "open", title: /^995 alerts: 995 warning$/ },
    });
    t.equal(world.state.digests[world.arrived[5]?.message.notice.key ?? ""]?.open, 995);
    world.recover(...names.slice(0, 999));
    world.pass(hour);
    t.equal(world.arrived.length, 11, "the five that were told by themselves are over");
    world.recover("agent-999");
    t.match(world.titles("chat")[11], /^over all 995 alerts of the digest are over$/);
    world.pass(hour);
    t.equal(world.arrived.length, 12);
    for (const map of [
      world.state.conditions,
      world.state.announced,
      world.state.gathered,
      world.state.digests,
    ])
      t.same(map, {}, "nothing is left");
  },
);

t.test(
  "a sink that is down for an hour loses nothing: all is told when it is back, most of it together",
  async (t) => {
    const names = Array.from({ length: 40 }, (_, n) => `agent-${n}`);
    const world = new World(
      alertsManifest({ agents: Object.fromEntries(names.map((name) => [name, "recovery"])) }),
    );
    world.judge = (_, at) => (at < world0 + hour ? away : delivered);
    const world0 = world.now;
    for (const [n, name] of names.entries()) {
      world.fail(name);
      if (n % 4 === 0) world.recover(name);
      world.pass(minute);
    }
    world.pass(hour);
    const told = new Set(
      world.arrived.flatMap(({ message }) =>
        message.count === 0 ? [message.notice.key] : message.members.map(({ key }) => key),
      ),
    );
    t.same([...told].sort(), names.map((name) => `h1/agent/${name}`).sort());
    t.ok(world.arrived.length < 15, `${world.arrived.length} messages`);
    t.ok(world.attempts - world.arrived.length < 25, `${world.attempts} attempts in an hour`);
    t.same(
      world.records.map(({ action }) => action).filter((action) => action !== "alert.sent"),
      ["alert.delayed", "alert.restored"],
      "the ledger is told of an outage once",
    );
  },
);

t.test("a fallback is told as well, once its sink is not reached; ends go to both", async (t) => {
  const world = new World(
    alertsManifest({
      sinks: { pager: { fallback: "chat" }, chat: { fallback: "mail" }, mail: {} },
      to: ["pager"],
    }),
  );
  let down = new Set(["pager"]);
  world.judge = ({ sink }) => (down.has(sink) ? away : delivered);
  world.raise("app");
  t.same(world.arrived, [], "a moment's trouble is no reason");
  world.pass(2 * minute);
  t.match(world.arrived, [
    { sink: "chat", message: { insteadOf: "pager", notice: { key: "h1/agent/app" } } },
  ]);
  down = new Set(["pager", "chat"]);
  world.hear({ action: "watchd.failed", subject: "watchd", details: { why: ["w"] } });
  world.pass(3 * minute);
  t.same(
    world.arrived.slice(1).map(({ sink, message }) => [sink, message.insteadOf, message.notice.key]),
    [["mail", "pager", "h1/watchd"]],
  );
  down = new Set();
  world.pass(10 * minute);
  world.recover("app");
  t.same(
    world.arrived
      .filter(({ message }) => message.notice.state === "over")
      .map(({ sink }) => sink)
      .sort(),
    ["chat", "pager"],
  );
  world.judge = () => ({ kind: "denied", why: "HTTP 404: no_service" });
  const { length } = world.arrived;
  world.judge = ({ sink }) => (sink === "pager" ? { kind: "denied", why: "HTTP 404" } : delivered);
  world.raise("app", "inc-9");
  t.match(
    world.arrived.slice(length),
    [{ sink: "chat" }],
    "one that is set up wrongly is helped out at once",
  );
});

t.test("a message that a service refuses for good is not sent again, and its end neither", async (t) => {
  const world = new World();
  world.judge = () => ({ kind: "refused", why: "HTTP 400: bad" });
  world.raise("app");
  world.recover("app");
  world.pass(hour);
  t.equal(world.attempts, 1);
  t.match(world.records, [
    { action: "alert.failed", incident: "inc-app", details: { why: "HTTP 400: bad" } },
  ]);
});

t.test(
  "what cannot be delivered is given up in the end, also what is gathered, and the ledger says so",
  async (t) => {
    const world = new World(
      alertsManifest({
        agents: { a: "recovery", b: "recovery" },
        afterMs: 100 * hour,
        more: { giveUpMs: hour, digest: { after: 1, withinMs: minute, everyMs: minute } },
      }),
    );
    world.judge = () => away;
    world.fail("a");
    world.fail("b");
    world.pass(2 * hour);
    t.same(
      world.records.filter(({ action }) => action === "alert.failed").map(({ details }) => details.key),
      ["h1/agent/a", "h1/agent/b"],
    );
    world.judge = () => delivered;
    world.recover("a");
    world.pass(hour);
    t.same(world.arrived, [], "who was not told of it is not told of its end");
  },
);

t.test("in quiet hours what is not serious waits for the morning, and is told together", async (t) => {
  const quiet = { from: "22:00", to: "07:00", timezone: "Europe/Berlin", except: "critical" } as const;
  const world = new World(
    alertsManifest({
      agents: { a: "recovery", b: "recovery", c: "unresolved", d: "recovery" },
      afterMs: 100 * hour,
      more: { quiet },
    }),
  );
  world.fail("d");
  world.now = Date.UTC(2026, 10, 24, 23);
  world.fail("a");
  world.fail("b");
  world.recover("b");
  world.recover("d");
  world.raise("c");
  t.match(world.titles("chat"), [/^open d/, /^over d/, /^open c keeps failing/]);
  world.pass(6.9 * hour);
  t.equal(world.arrived.length, 3);
  world.pass(0.2 * hour);
  t.match(world.arrived[3]?.message, {
    members: [
      { key: "h1/agent/a", state: "open" },
      { key: "h1/agent/b", state: "over" },
    ],
    notice: { title: "2 alerts: 1 warning, 1 over again" },
  });
  world.recover("a");
  t.match(world.titles("chat")[4], /^over all 1 alerts/);
});

t.test("Retry-After is kept to, up to an hour; retries back off and never stop", async (t) => {
  const world = new World();
  const times: number[] = [];
  world.judge = (_, at) => {
    times.push(at - world0);
    return times.length === 1 ? { kind: "later", why: "HTTP 429", retryAfterMs: 90_000 } : away;
  };
  const world0 = world.now;
  world.raise("app");
  world.pass(hour);
  t.equal(times[1], 90_000);
  const gaps = times.slice(2).map((at, n) => at - (times[n + 1] ?? 0));
  t.ok(
    gaps.every((gap, n) => gap <= 300_000 && (n === 0 || gap > (gaps[n - 1] ?? 0) * 0.8)),
    String(gaps),
  );
});

t.test("what is judged again after a crash is known by its number", async (t) => {
  const world = new World();
  const entries = [
    {
      n: 1_000,
      action: "alert.raise",
      subject: "app",
      at: world.now,
      incident: "i",
      details: { message: "m", why: [] },
    },
  ];
  world.step({ type: "entries", source: "agents", epoch: "j1", entries });
  world.step({
    type: "entries",
    source: "agents",
    epoch: "j1",
    entries: [{ ...entries[0], n: 1_001, action: "recovery.verified" }],
  } as never);
  world.step({ type: "entries", source: "agents", epoch: "j1", entries });
  t.equal(world.arrived.length, 2);
  world.step({ type: "entries", source: "agents", epoch: "j2", entries });
  t.equal(world.arrived.length, 3, "another journal has numbers of its own");
});

t.test("a message that was being sent when watchd ended is sent again, under the same id", async (t) => {
  const world = new World();
  const ids: string[] = [];
  world.judge = ({ message }) => {
    ids.push(message.id);
    throw new Error("watchd is killed here");
  };
  t.throws(() => world.raise("app"));
  world.judge = ({ message }) => {
    ids.push(message.id);
    return delivered;
  };
  world.step({ type: "tick" });
  t.equal(ids.length, 1, "as long as it is under way it is not sent twice");
  world.step({ type: "boot" });
  t.same(ids, [ids[0], ids[0]]);
});

t.test(
  "a test goes out whatever the hour and the number, and a sink that is gone keeps nothing",
  async (t) => {
    const quiet = { from: "00:00", to: "23:59", timezone: "UTC", except: "critical" } as const;
    const world = new World(alertsManifest({ more: { quiet } }));
    world.step({ type: "test", sinks: ["chat"], by: "ada", id: "1" });
    t.match(world.arrived, [
      { message: { isTest: true, notice: { details: ["asked for by ada", /Nothing is wrong/] } } },
    ]);
    world.judge = () => away;
    world.raise("app");
    world.setting = { ...world.setting, alerts: alertsManifest({ sinks: { mail: {} } }) };
    world.step({ type: "tick" });
    t.match(world.records.at(-1), {
      action: "alert.failed",
      subject: "chat",
      details: { why: /not declared/ },
    });
    t.same(world.state.announced, {});
    t.equal(world.state.sinks.chat, undefined);
  },
);

t.test("what alerts record is in the ledger's vocabulary, and fits it", async (t) => {
  const world = new World(alertsManifest({ sinks: { a: { fallback: "b" }, b: {} }, to: ["a"] }));
  world.judge = ({ sink }, at) =>
    sink === "a" && at < world.now + 1 && world.attempts < 4 ? away : delivered;
  world.raise("app");
  world.pass(hour);
  world.judge = () => ({ kind: "refused", why: "no" });
  world.recover("app");
  world.pass(hour);
  t.same([...new Set(world.records.map(({ action }) => action))].sort(), [
    "alert.delayed",
    "alert.failed",
    "alert.restored",
    "alert.sent",
  ]);
  for (const { action, details } of world.records) t.same(faultsOfDetails(action, details), [], action);
});
