import fc from "fast-check";
import t from "tap";
import { alertsManifest, delivered, hour, minute, World } from "./fixtures/world.ts";
import type { Outcome } from "./notice.ts";

/* Whatever happens, in any order, with sinks that fail in any way: what must hold of what people are told. */

const agents = ["a", "b", "c"];
const moments = fc.array(
  fc.oneof(
    fc.record({ do: fc.constantFrom("fail", "raise", "recover"), agent: fc.constantFrom(...agents) }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(500, 30_000, 2 * minute, hour) }),
    fc.record({
      do: fc.constant("outage" as const),
      sink: fc.constantFrom("pager", "chat"),
      as: fc.constantFrom("later", "denied", "refused", "well"),
    }),
    fc.record({ do: fc.constant("boot" as const) }),
    fc.record({ do: fc.constant("event" as const) }),
  ),
  { maxLength: 60 },
);
const settings = fc.record({
  level: fc.constantFrom("recovery", "escalation", "unresolved"),
  after: fc.integer({ min: 1, max: 4 }),
  quiet: fc.boolean(),
});

t.test("nothing is lost, nothing ends that has not begun, and no sink gets more than it is to", async (t) => {
  fc.assert(
    fc.property(moments, settings, (story, { level, after, quiet }) => {
      const digest = { after, withinMs: minute, everyMs: 5 * minute };
      const world = new World(
        alertsManifest({
          sinks: { pager: { fallback: "chat" }, chat: {} },
          to: ["pager"],
          agents: Object.fromEntries(agents.map((name) => [name, level] as const)),
          more: {
            digest,
            quiet: quiet ? { from: "13:00", to: "15:00", timezone: "UTC", except: "critical" } : null,
          },
        }),
      );
      const outage = new Map<string, string>();
      const refused = new Set<string>();
      world.judge = ({ sink, message }): Outcome => {
        const how = outage.get(sink) ?? "well";
        if (how === "well") return delivered;
        if (how === "refused") refused.add(message.notice.key);
        return how === "later"
          ? { kind: "later", why: "x", retryAfterMs: null }
          : { kind: how as "denied", why: "x" };
      };
      for (const moment of story) {
        if (moment.do === "pass") world.pass(moment.ms);
        else if (moment.do === "outage") outage.set(moment.sink, moment.as);
        else if (moment.do === "boot") world.step({ type: "boot" });
        else if (moment.do === "event")
          world.hear({ action: "watchd.failed", subject: "watchd", details: { why: ["w"] } });
        else world[moment.do](moment.agent);
      }
      outage.clear();
      world.pass(8 * hour);
      checkPace(world, digest);
      if (refused.size === 0) checkTold(world);
      for (const name of agents) world.recover(name);
      world.pass(8 * hour);
      const { conditions, announced, gathered, digests, messages } = world.state;
      for (const map of [conditions, announced, gathered, digests]) {
        if (Object.keys(map).length > 0) throw new Error(`left behind: ${JSON.stringify(map)}`);
      }
      const begun = new Map<string, number>();
      for (const moment of story) {
        if (moment.do !== "fail" && moment.do !== "raise") continue;
        const key = `h1/agent/${moment.agent}`;
        begun.set(key, (begun.get(key) ?? 0) + 1);
      }
      checkPairs(world, begun);
      if (Object.values(messages).some(({ status }) => status === "waiting"))
        throw new Error("something still waits");
    }),
    { numRuns: 120 },
  );
  t.pass();
});

/**
 * At one sink, the end of a key comes after its beginning, by itself or in a digest, and once. What was over before there was
 * room for its beginning is told as being over, and at most as often as something has begun.
 */
function checkPairs({ arrived }: World, begun: ReadonlyMap<string, number>): void {
  const open = new Set<string>();
  const untold = new Map<string, number>();
  for (const { sink, message } of arrived) {
    for (const { key, state, times } of [message.notice, ...message.members]) {
      const place = `${sink} ${key}`;
      if (state === "open") open.add(place);
      if (state !== "over" || open.delete(place)) continue;
      const count = (untold.get(place) ?? 0) + times;
      untold.set(place, count);
      if (count > (begun.get(key) ?? 0)) throw new Error(`${place} ends and has not begun`);
    }
  }
}

/** What begins or happens, sent to one sink within any time. */
function checkPace({ arrived }: World, digest: { readonly after: number; readonly withinMs: number }): void {
  for (const sink of ["pager", "chat"]) {
    const times = arrived
      .filter((each) => each.sink === sink && each.message.notice.state !== "over")
      // When it was let through; an outage may have held it back with others since.
      .map(({ message }) => message.createdAt);
    for (const [index, at] of times.entries()) {
      const within = times.slice(index).filter((each) => each >= at && each - at < digest.withinMs).length;
      // Those that its fallback hands over, and a digest, are beside them.
      if (within > digest.after * 2 + 1)
        throw new Error(`${within} messages to ${sink} within ${digest.withinMs} ms`);
    }
  }
}

/** Whatever is open was told to its sink, by itself or in a digest. */
function checkTold({ arrived, state }: World): void {
  for (const { key, isOpen } of Object.values(state.conditions)) {
    const isTold = arrived.some(
      ({ sink, message }) =>
        sink === "pager" && (message.notice.key === key || message.members.some((each) => each.key === key)),
    );
    if (isOpen && !isTold) throw new Error(`${key} is open and was not told`);
  }
}
