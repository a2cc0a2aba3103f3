import { faultsOfDetails } from "@daruma/ledger";
import t from "tap";
import { noticeOf } from "./fixtures/messages.ts";
import { alertsManifest, away, type Declared, delivered, hour, minute, World } from "./fixtures/world.ts";
import { body } from "./sinks/text.ts";
import { type Gathered, placeOf } from "./state.ts";
import { mostGathered } from "./unlisted.ts";

function worldOf(declared: Declared): World {
  return new World(
    alertsManifest({ agents: { app: "unresolved", other: "unresolved" }, ...declared }),
    false,
  );
}

/** As much waits for the sink as is kept one by one. */
function fill(world: World, sink: string): void {
  const gathered: Record<string, Gathered> = {};
  for (let n = 0; n < mostGathered; n += 1) {
    const notice = noticeOf({ key: `h1/x/${n}`, state: "event", severity: "warning", title: `x${n}` });
    gathered[placeOf(sink, notice.key)] = { notice, since: world.now, fellBack: false };
  }
  world.state = { ...world.state, gathered };
}

const waits = ({ state }: World, key: string) =>
  Object.keys(state.gathered).some((place) => place.endsWith(` ${key}`));

t.test("beyond what is kept the worst is kept, the others are counted, and the digest says so", async (t) => {
  const world = worldOf({ routines: { job: ["success"] } });
  fill(world, "chat");
  world.hear({ action: "routine.finished", subject: "job", details: { outcome: "succeeded", tookMs: 5 } });
  t.notOk(waits(world, "h1/routine/job/success"), "the least severe is counted only");
  world.raise("app");
  world.raise("other");
  t.ok(waits(world, "h1/agent/app") && waits(world, "h1/agent/other"), "what is critical is kept");
  t.equal(Object.keys(world.state.gathered).length, mostGathered);
  t.match(world.state.sinks.chat?.unlisted, { count: 3, severity: "warning", fellBack: 0 });
  const [first, ...more] = world.records;
  t.match(first, { action: "alert.unlisted", subject: "chat", details: { kept: mostGathered } });
  t.same(more, [], "one entry for all of them");
  t.same(faultsOfDetails(first?.action ?? "", first?.details ?? {}), []);

  world.pass(minute);
  t.equal(world.arrived.length, 1);
  const [arrived] = world.arrived;
  t.equal(arrived?.message.notice.severity, "critical");
  t.match(arrived?.message.notice.title, /^5003 alerts: 2 critical, 4998 warning, 3 not listed$/);
  t.match(arrived === undefined ? [] : body(arrived.message)[0], /^… and 3 more, .*ledger/);
  const sent = world.records.at(-1);
  t.match(sent, { action: "alert.sent", details: { members: mostGathered + 3, unlisted: 3 } });
  t.same(faultsOfDetails(sent?.action ?? "", sent?.details ?? {}), []);
  t.equal(world.state.sinks.chat?.unlisted, null);

  world.recover("app", "other");
  t.match(world.titles("chat").at(-1), /^over all 2 alerts of the digest are over$/);
});

t.test(
  "a fallback hears of those too that are counted only, and what is given up is in the ledger",
  async (t) => {
    const world = worldOf({
      sinks: { pager: { fallback: "chat" }, chat: {} },
      to: ["pager"],
      more: { giveUpMs: 2 * hour },
    });
    world.judge = ({ sink }) => (sink === "pager" ? away : delivered);
    world.raise("other");
    fill(world, "pager");
    world.raise("app");
    world.pass(hour);
    const told = world.arrived.filter(({ sink }) => sink === "chat");
    t.equal(
      told.reduce((sum, { message }) => sum + Math.max(1, message.count), 0),
      mostGathered + 2,
      "by themselves, in digests, or by their number",
    );
    t.match(world.state.sinks.pager?.unlisted, { count: 1, fellBack: 1 });
    world.pass(2 * hour);
    t.match(
      world.records.find(({ details }) => details.unlisted === 1 && details.message === ""),
      { action: "alert.failed", subject: "pager", details: { why: /^given up: ECONNREFUSED/ } },
    );
    const gone = world.records.filter(
      ({ action, subject }) => action === "alert.failed" && subject === "pager",
    );
    for (const { action, details } of gone.slice(-3)) t.same(faultsOfDetails(action, details), []);
  },
);

t.test("what waits for a sink that is no longer declared is said to be lost, one by one", async (t) => {
  const world = worldOf({});
  fill(world, "chat");
  world.raise("app");
  world.setting = { ...world.setting, alerts: alertsManifest({ sinks: { mail: {} } }) };
  world.step({ type: "tick" });
  const failed = world.records.filter(({ action }) => action === "alert.failed");
  t.equal(failed.length, mostGathered + 1);
  t.match(failed.at(-1), { subject: "chat", details: { unlisted: 1, why: /not declared/ } });
  t.equal(world.state.sinks.chat, undefined);
  t.same(world.state.gathered, {});
});
