import type { AgentDoorStatus } from "@daruma/egress";
import t from "tap";
import { describeEgress, isKept } from "./egress-status.ts";

const plain = (_: unknown, text: string) => text;
const at = "2026-01-01T00:00:00.000Z";

const proven: AgentDoorStatus = {
  port: 20480,
  mode: "enforce",
  listening: true,
  enforced: true,
  proof: { state: "proven", at },
  connections: 2,
  opened: 9,
  denied: 1,
  failed: 1,
  sentBytes: 0,
  receivedBytes: 0,
  failures: [{ target: "api.example.com:443", code: "refused", at }],
};
const untested: AgentDoorStatus = {
  ...proven,
  failures: [],
  listening: false,
  enforced: false,
  proof: { state: "untested" },
};
const open: AgentDoorStatus = {
  ...proven,
  failures: [],
  enforced: false,
  proof: { state: "open", at, problems: ["open: DNS over UDP (192.0.2.1:53)"] },
};
const observed: AgentDoorStatus = {
  ...untested,
  listening: true,
  mode: "observe",
  proof: { state: "none" },
};

t.test("egress counts as enforced only where that is proven", async (t) => {
  t.ok(isKept({ agents: {} }));
  t.ok(isKept({ agents: { proven, observed } }), "what is only observed claims nothing");
  t.notOk(isKept({ agents: { proven, untested } }));
  t.notOk(isKept({ agents: { open } }));
});

t.test("each agent is told of in one line", async (t) => {
  t.same(describeEgress({ agents: {} }, plain), ["no agent and no routine is confined"]);
  t.same(describeEgress({ agents: { untested, proven, open, observed } }, plain), [
    "WHO       ENFORCED  CONNECTIONS  DENIED  NOTE",
    "observed  no        2            1       only observed",
    "open      no        2            1       open: DNS over UDP (192.0.2.1:53)",
    `proven    yes       2            1       tested at ${at}; api.example.com:443: refused`,
    "untested  unproven  2            1       not tested yet; port 20480, or a forward, is taken by another process",
  ]);
});
