import t from "tap";
import type { DriftDocument } from "../instance/watchd-client.ts";
import { describeDrift } from "./drift.ts";

const now = Date.parse("2026-11-28T12:00:00Z");
const plain = (_: unknown, text: string) => text;
const clean: DriftDocument = {
  schemaVersion: 1,
  generation: { number: 3, path: "/nix/store/x" },
  policy: "report",
  lookedAt: "2026-11-28T12:00:00.000Z",
  differences: [],
  unseen: [],
  notes: [],
  store: { paths: 10, bytes: 1, verified: 4, roundBeganAt: now - 60_000, lastRoundEndedAt: null },
};

t.test("where nothing differs, that is said, and how much of the store it is said of", async (t) => {
  t.same(describeDrift(clean, plain, now), [
    "generation  3",
    "policy      report",
    "store       4 of 10 paths verified since 1 min ago",
    "",
    "nothing differs",
  ]);
});

t.test("what could not be looked at is not said to be as declared", async (t) => {
  const lines = describeDrift({ ...clean, unseen: [{ kind: "etc", why: "EIO" }] }, plain, now);
  t.same(lines.slice(3), ["not seen    etc: EIO", "", "nothing that was looked at differs"]);
});

t.test("a difference is told as a diff, with what is to be done and what was", async (t) => {
  const difference = {
    kind: "unit",
    at: "/run/systemd/system/x.service.d/a.conf",
    since: "2026-11-28T11:59:00Z",
    diff: ["+ [Service]", "+ User=root\u001b[2J"],
    remedy: "set it aside and restart x.service",
    correctable: true,
    corrections: 2,
    held: true,
  };
  const lines = describeDrift(
    { ...clean, differences: [difference], notes: ["etc is not looked at"] },
    plain,
    now,
  );
  t.same(lines.slice(3, 7), [
    "note        etc is not looked at",
    "",
    "unit: /run/systemd/system/x.service.d/a.conf",
    "  + [Service]",
  ]);
  t.notMatch(lines.join("\n"), "\u001b", "what a stranger wrote does not paint the terminal");
  t.same(lines.slice(-2), [
    "  for 1 min, put right 2 times before; left as it is, for it comes back",
    "  to be done: set it aside and restart x.service",
  ]);
});
