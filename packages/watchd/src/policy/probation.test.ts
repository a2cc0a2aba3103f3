import t from "tap";
import { probed, story } from "./fixtures/story.ts";

const fleet = { agents: { a: "a-1", b: { digest: "b-1", required: false } } };
const knownGood = (s: ReturnType<typeof story>) => s.state.knownGood.map(({ path }) => path);

t.test(
  "a generation is known-good once every required agent was healthy for the probation time",
  async (t) => {
    const s = story(fleet).healthy("a");
    s.wait(59_999);
    t.same(knownGood(s), []);
    s.wait(1);
    t.same(knownGood(s), ["/one"]);
    t.equal(s.record("generation.promote").subject, "/one", "on record before it is done");
    t.equal(s.record("generation.known-good").subject, "/one");
  },
);

t.test("any lapse of a required agent begins the probation anew", async (t) => {
  const s = story(fleet).healthy("a").wait(50_000).exit("a").healthy("a").wait(59_999);
  t.same(knownGood(s), []);
  s.wait(1);
  t.same(knownGood(s), ["/one"]);
});

t.test("a generation under which the ledger takes no entries is not proven", async (t) => {
  const s = story(fleet).healthy("a").wait(50_000);
  s.send({ type: "ledger", reachable: false }).wait(600_000);
  t.same(knownGood(s), []);
  s.send({ type: "ledger", reachable: true }).wait(59_999);
  t.same(knownGood(s), []);
  s.wait(1);
  t.same(knownGood(s), ["/one"]);
});

t.test("a generation is not proven while nobody can tell what is alive", async (t) => {
  const s = story(fleet).healthy("a");
  for (let times = 0; times < 20; times += 1) s.wait(10_000).send({ type: "runs-unseen" });
  s.wait(59_999);
  t.same(knownGood(s), []);
  s.wait(1);
  t.same(knownGood(s), ["/one"]);
  s.send({ type: "runs-unseen" });
  t.same(knownGood(s), ["/one"]);
});

t.test("an agent that is not required holds nothing up", async (t) => {
  const s = story(fleet).healthy("a").wait(50_000).exits("b", 5).wait(10_000);
  t.same(knownGood(s), ["/one"]);
});

t.test("an agent that has done its work counts as proven, one that failed for good does not", async (t) => {
  const s = story({ agents: { a: { restart: { when: "never" } } } })
    .healthy("a")
    .exit("a", 0)
    .wait(60_000);
  t.same(knownGood(s), ["/one"]);
  const failed = story({ agents: { a: { restart: { when: "never" } } } })
    .healthy("a")
    .exit("a", 1)
    .wait(600_000);
  t.same(knownGood(failed), []);
});

t.test("an agent that waits for something is not proven", async (t) => {
  const s = story({ agents: { a: probed } })
    .healthy("a")
    .wait(30_000);
  s.answers.set("a", { ok: false, latencyMs: 1, reason: "503", dependency: "db" });
  s.wait(120_000);
  t.same(knownGood(s), []);
  s.answers.clear();
  s.wait(63_000);
  t.same(knownGood(s), ["/one"]);
});

t.test(
  "a lapse while the closure is being read forfeits the promotion, even if it is over by then",
  async (t) => {
    const s = story(fleet).healthy("a").holding("verify-closure").wait(60_000);
    t.equal(s.state.promotion, "verifying");
    s.exit("a").healthy("a").holding();
    t.same(knownGood(s), []);
    s.wait(58_999);
    t.same(knownGood(s), []);
    s.wait(1_001);
    t.same(knownGood(s), ["/one"]);
  },
);

t.test("a closure that is not what it should be never becomes known-good", async (t) => {
  const s = story(fleet);
  s.damaged.add("/one");
  s.healthy("a").wait(600_000);
  t.same(knownGood(s), []);
  t.equal(s.record("generation.damaged").severity, "critical");
  t.equal(s.asked("verify-closure").length, 1);
});

t.test("a closure that was repaired is read again once a person says so, or watchd comes up", async (t) => {
  for (const again of ["allow", "boot"]) {
    const s = story(fleet);
    s.damaged.add("/one");
    s.healthy("a").wait(600_000);
    s.damaged.clear();
    if (again === "allow") s.send({ type: "operator-allow", path: "/one" });
    else s.boot().healthy("a").wait(60_000);
    t.same(knownGood(s), ["/one"]);
  }
});

t.test("a closure that could not be read is not damaged: it is read again, ever less often", async (t) => {
  const s = story(fleet).healthy("a").holding("verify-closure").wait(60_000);
  const unread = () => s.send({ type: "closure-unread", path: "/one", message: "nix-store: SIGTERM" });
  unread().wait(4_999);
  t.equal(s.asked("verify-closure").length, 1);
  s.wait(1);
  t.equal(s.asked("verify-closure").length, 2);
  unread().wait(9_999);
  t.equal(s.asked("verify-closure").length, 2);
  s.wait(1);
  for (let times = 0; times < 100; times += 1) unread().wait(600_000);
  t.equal(s.asked("verify-closure").length, 103);
  t.equal(s.record("generation.promotion-failed").details.message, "nix-store: SIGTERM");
  s.holding();
  t.same(knownGood(s), ["/one"]);
  t.equal(s.state.promotionFailures, 0);
});

t.test("that a closure could not be read does not shorten a probation that has begun anew", async (t) => {
  const s = story(fleet).healthy("a").holding("verify-closure").wait(60_000);
  s.exit("a").healthy("a").send({ type: "closure-unread", path: "/one", message: "no" });
  s.holding().wait(58_000);
  t.same(knownGood(s), []);
  s.wait(2_000);
  t.same(knownGood(s), ["/one"]);
});

t.test("a promotion that cannot be written is tried again", async (t) => {
  const s = story(fleet).healthy("a").holding("promote").wait(60_000);
  s.send({ type: "promotion-failed", path: "/one", message: "no space left" });
  s.wait(4_999);
  t.equal(s.asked("promote").length, 1);
  s.wait(1);
  t.equal(s.asked("promote").length, 2);
  s.holding();
  t.same(knownGood(s), ["/one"]);
});

t.test("a lapse while a promotion could not be written begins the probation anew", async (t) => {
  const s = story(fleet).healthy("a").holding("promote").wait(60_000);
  s.exit("a").healthy("a");
  s.send({ type: "promotion-failed", path: "/one", message: "no space left" }).wait(58_000);
  t.equal(s.asked("promote").length, 1);
  s.wait(2_000);
  t.equal(s.asked("promote").length, 2);
});

t.test("the news of a promotion comes too late for another generation", async (t) => {
  const s = story(fleet).healthy("a").holding("promote").wait(60_000);
  s.deploy("/two", { agents: { a: "a-2" } }).holding();
  t.same(knownGood(s), ["/one"]);
  t.equal(s.state.promotion, "pending");
});

t.test("probation begins anew with watchd and with the machine", async (t) => {
  const s = story(fleet).healthy("a").wait(59_000).boot().healthy("a").wait(59_000);
  t.same(knownGood(s), []);
  s.reboot().healthy("a").wait(59_000);
  t.same(knownGood(s), []);
  s.wait(1_000);
  t.same(knownGood(s), ["/one"]);
});

t.test("nothing is promoted while a rollback from it is under way", async (t) => {
  const s = story(fleet).proven();
  s.deploy("/two", { agents: { a: "a-1", b: { digest: "b-2", required: false } } }).healthy("a");
  s.holding("rollback").exits("b", 3).wait(600_000);
  t.same(knownGood(s), ["/one"]);
});
