import t from "tap";
import type { AgentStatus, StatusDocument } from "../instance/watchd-client.ts";
import { describeGenerations } from "./generations.ts";
import { describeStatus, isWell } from "./status.ts";

const plain = (_: unknown, text: string) => text;

function agent(more: Partial<AgentStatus>): AgentStatus {
  return {
    name: "loader",
    phase: "healthy",
    held: false,
    stoppedBy: null,
    required: true,
    pid: 4711,
    uptimeMs: 61_000,
    restarts: 0,
    recentFailures: 0,
    restartInMs: null,
    waitsFor: null,
    incident: null,
    ...more,
  };
}

function status(more: Partial<StatusDocument>): StatusDocument {
  return {
    schemaVersion: 1,
    host: "etl-01",
    pid: 1,
    draining: false,
    generation: {
      number: 2,
      path: "/store/2",
      activatedAt: "",
      knownGood: false,
      promotion: "pending",
      probationEndsInMs: 1_500,
    },
    rollback: null,
    agents: [agent({})],
    quarantine: [],
    ledger: { connected: true, waiting: 0 },
    ...more,
  };
}

t.test("a host is well when every required agent is healthy or completed", async (t) => {
  t.ok(isWell(status({})));
  t.ok(
    isWell(status({ agents: [agent({ phase: "completed" }), agent({ phase: "failed", required: false })] })),
  );
  t.ok(isWell(status({ agents: [] })));
  t.notOk(isWell(status({ agents: [agent({ phase: "backoff" })] })));
  t.notOk(isWell(status({ agents: [agent({ waitsFor: "postgres" })] })));
  t.notOk(isWell(status({ generation: null, agents: [] })));
});

t.test("a status tells what a person needs to know, in columns", async (t) => {
  const lines = describeStatus(
    status({
      agents: [
        agent({}),
        agent({
          name: "web",
          phase: "backoff",
          pid: null,
          uptimeMs: null,
          restarts: 3,
          restartInMs: 800,
          held: true,
          incident: { id: "inc-1", cause: "crash", since: "" },
        }),
      ],
      quarantine: [{ path: "/store/3", number: 3, agent: "web" }],
      ledger: { connected: false, waiting: 4 },
    }),
    plain,
  );
  t.same(lines, [
    "host        etl-01",
    "generation  2, on probation for 1.5 s more",
    "quarantine  generation 3 (web)",
    "ledger      not reachable; 4 entries wait in watchd's journal",
    "",
    "AGENT   PHASE    PID   UPTIME     RESTARTS  NOTE",
    "loader  healthy  4711  1 min 1 s  0         -",
    "web     backoff  -     -          3         inc-1: crash; starts in 800 ms; held at the longest backoff",
  ]);
});

t.test(
  "a probation says what it waits for, and a rollback that the next boot completes is told",
  async (t) => {
    const base = status({}).generation;
    if (base === null) throw new Error("the sample has a generation");
    const standing = (heldUpBy: NonNullable<typeof base.heldUpBy>) =>
      describeStatus(status({ generation: { ...base, probationEndsInMs: null, heldUpBy } }), plain)[1];
    t.equal(
      standing({ agents: ["web"], ledger: true }),
      "generation  2, on probation, waiting for web to be well, and for the ledger to take entries",
    );
    t.equal(
      standing({ agents: ["a", "b", "c", "d", "e", "f"], ledger: false }),
      "generation  2, on probation, waiting for a, b, c, d and 2 more to be well",
    );
    const lines = describeStatus(
      status({
        agents: [
          agent({ checks: { missed: 4, of: 20 } }),
          agent({ name: "web", checks: { missed: 1, of: 20 } }),
        ],
        rollbackAtBoot: { id: "rb-1", by: "watchd", target: "/store/1", targetNumber: 1, agent: "loader" },
      }),
      plain,
    );
    t.match(
      lines[2],
      "reboot      completes the rollback to generation 1, because of loader: the switch has failed",
    );
    t.match(lines[5], /has missed 4 of its last 20 checks$/);
    t.match(lines[6], / -$/, "one miss now and then is nothing to tell");
  },
);

t.test("colour changes nothing but the colour", async (t) => {
  const tagged = (_: unknown, text: string) => `<${text}>`;
  const document = status({ agents: [agent({}), agent({ name: "healthy", phase: "failed" })] });
  const painted = describeStatus(document, tagged).join("\n");
  t.equal(painted.replaceAll(/[<>]/g, ""), describeStatus(document, plain).join("\n"));
  t.match(painted, "<failed>");
});

t.test("every standing of a generation has words of its own", async (t) => {
  const base = status({}).generation;
  if (base === null) throw new Error("the sample has a generation");
  const words = new Set(
    [
      { knownGood: true },
      { promotion: "verifying" as const },
      { promotion: "done" as const },
      { probationEndsInMs: null },
      {},
    ].map((more) => describeStatus(status({ generation: { ...base, ...more } }), plain)[1]),
  );
  t.equal(words.size, 5);
  t.match(describeStatus(status({ generation: null, agents: [] }), plain).join("\n"), "nothing deployed");
});

t.test("generations are listed with their states", async (t) => {
  const row = { createdAt: "2026-01-01T00:00:00.000Z", current: false, knownGood: false, quarantined: false };
  t.same(
    describeGenerations([
      { ...row, number: 1, path: "/s/aaa-daruma-x", knownGood: true },
      { ...row, number: 12, path: "/s/bbb-daruma-x", current: true, quarantined: true },
    ]),
    [
      "NUMBER  CREATED                   STATE                NAME",
      "1       2026-01-01T00:00:00.000Z  known-good           aaa-daruma-x",
      "12      2026-01-01T00:00:00.000Z  current,quarantined  bbb-daruma-x",
    ],
  );
  t.same(describeGenerations([]), ["no generations"]);
});
