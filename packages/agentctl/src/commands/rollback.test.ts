import { isDarumaError } from "@daruma/base";
import t from "tap";
import type { AgentStatus, GenerationRow, StatusDocument } from "../instance/watchd-client.ts";
import { chooseTarget, judge, waitForProof } from "./rollback.ts";

function row(number: number, more: Partial<GenerationRow> = {}): GenerationRow {
  return {
    number,
    path: `/store/${number}`,
    createdAt: "2026-01-01T00:00:00.000Z",
    current: false,
    knownGood: false,
    quarantined: false,
    ...more,
  };
}

function agent(more: Partial<AgentStatus> = {}): AgentStatus {
  return {
    name: "loader",
    phase: "healthy",
    held: false,
    stoppedBy: null,
    required: true,
    pid: 1,
    uptimeMs: 1,
    restarts: 0,
    recentFailures: 0,
    restartInMs: null,
    waitsFor: null,
    incident: null,
    ...more,
  };
}

function status(number: number, more: Partial<StatusDocument> = {}): StatusDocument {
  return {
    schemaVersion: 1,
    host: "h",
    pid: 1,
    draining: false,
    generation: {
      number,
      path: `/store/${number}`,
      activatedAt: "",
      knownGood: true,
      promotion: "done",
      probationEndsInMs: null,
    },
    rollback: null,
    agents: [agent()],
    quarantine: [],
    ledger: { connected: true, waiting: 0 },
    ...more,
  };
}

const accepted = {
  schemaVersion: 1,
  id: "rb-1",
  from: "/store/2",
  target: "/store/1",
  targetNumber: 1,
} as const;
const underWay = { id: "rb-1", by: "operator", target: "/store/1", targetNumber: 1, agent: null };

t.test(
  "without a number the newest known-good generation before the current one is the target",
  async (t) => {
    const rows = [
      row(1, { knownGood: true }),
      row(2, { knownGood: true }),
      row(3, { knownGood: true, quarantined: true }),
      row(4),
      row(5, { current: true, knownGood: true }),
      row(6, { knownGood: true }),
    ];
    t.equal(chooseTarget(rows, undefined).number, 2);
    t.equal(chooseTarget(rows, 4).number, 4);
    t.equal(chooseTarget(rows, 99).number, 99, "watchd refuses what is not there");
  },
);

t.test("a generation that is the current one under another number is no target", async (t) => {
  const same = { path: "/store/same", knownGood: true };
  t.throws(() => chooseTarget([row(1, same), row(2, { ...same, current: true })], undefined), {
    code: "ROLLBACK_E_NO_TARGET",
  });
});

t.test("where nothing can be gone back to, that is said", async (t) => {
  for (const rows of [
    [],
    [row(1, { current: true, knownGood: true })],
    [row(1), row(2, { current: true })],
  ]) {
    t.throws(() => chooseTarget(rows, undefined), { code: "ROLLBACK_E_NO_TARGET" });
  }
});

t.test("a rollback is proven when its target is current and every required agent is well", async (t) => {
  t.equal(judge(status(1), accepted).kind, "proven");
  t.equal(judge(status(1, { agents: [agent({ phase: "completed" })] }), accepted).kind, "proven");
  t.equal(
    judge(status(1, { agents: [agent({ phase: "failed", required: false })] }), accepted).kind,
    "proven",
  );
  t.equal(judge(status(1, { agents: [agent({ phase: "verifying" })] }), accepted).kind, "wait");
  t.equal(judge(status(1, { agents: [agent({ waitsFor: "s3" })] }), accepted).kind, "wait");
  t.equal(judge(status(2, { rollback: underWay }), accepted).kind, "wait");
});

t.test("a rollback that is over without its target being current has failed", async (t) => {
  t.equal(judge(status(2), accepted).kind, "failed");
  t.equal(judge(status(3, { rollback: { ...underWay, target: "/store/2" } }), accepted).kind, "failed");
});

t.test("waiting survives a watchd that restarts, and ends with the proof", async (t) => {
  const { baseErrors } = await import("@daruma/base");
  const answers = [
    () => status(2, { rollback: underWay }),
    () => {
      throw baseErrors.make("SOCKET_E_UNREACHABLE", "restarting");
    },
    () => status(1, { agents: [agent({ phase: "starting" })] }),
    () => status(1),
  ];
  const watchd = { status: async () => (answers.shift() ?? (() => status(1)))() };
  const interrupt = new AbortController().signal;
  t.equal((await waitForProof({ watchd, accepted, timeoutMs: 30_000, interrupt })).generation?.number, 1);
  t.equal(answers.length, 0);
});

t.test("time that runs out is told apart: not switched, or switched and not proven", async (t) => {
  const interrupt = new AbortController().signal;
  const codeOf = async (document: StatusDocument) => {
    const watchd = { status: async () => document };
    const error: unknown = await waitForProof({ watchd, accepted, timeoutMs: 0, interrupt }).catch((e) => e);
    return isDarumaError(error) ? [error.code, error.exit] : error;
  };
  t.same(await codeOf(status(1, { agents: [agent({ phase: "backoff" })] })), ["ROLLBACK_E_NOT_PROVEN", 3]);
  t.same(await codeOf(status(2, { rollback: underWay })), ["ROLLBACK_E_FAILED", 1]);
});

t.test("an interrupt ends the waiting", async (t) => {
  const controller = new AbortController();
  const watchd = { status: async () => status(2, { rollback: underWay }) };
  const waiting = waitForProof({ watchd, accepted, timeoutMs: 600_000, interrupt: controller.signal });
  controller.abort(new Error("interrupted"));
  await t.rejects(waiting);
});
