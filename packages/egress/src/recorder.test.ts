import type { AppendRequest } from "@daruma/ledger";
import { faultsOfDetails } from "@daruma/ledger";
import t, { type Test } from "tap";
import { explainTarget } from "./explain.ts";
import { eventually } from "./fixtures/lab.ts";
import { policyOf } from "./fixtures/policy.ts";
import { Recorder } from "./recorder.ts";

const policy = policyOf(["api.example.com:443"]);

interface FakeLedger {
  readonly entries: AppendRequest[];
  isDown: boolean;
  readonly recorder: Recorder;
}

function ledger(
  t: Test,
  options: { readonly maxKeys?: number; readonly windowMs?: number } = {},
): FakeLedger {
  const entries: AppendRequest[] = [];
  const fake: { isDown: boolean } = { isDown: false };
  const recorder = new Recorder({
    windowMs: 3_600_000,
    ...options,
    log: () => undefined,
    connect: async () => ({
      append: async (entry) => {
        if (fake.isDown) throw new Error("down");
        entries.push(entry);
        return { duplicate: false, seq: 0, hash: "", time: "" };
      },
      close: async () => undefined,
      closed: new Promise<void>(() => undefined),
    }),
  });
  t.teardown(() => recorder.close(1_000));
  return Object.assign(fake, { entries, recorder });
}

const denial = (target: string, agent = "aa") =>
  ({ agent, explanation: explainTarget(policy, target), via: "connect", isRefused: true }) as const;

const timesOf = (entries: readonly AppendRequest[]) =>
  entries.reduce((sum, { details }) => sum + Number(details.times), 0);

t.test("a first denial is told at once; repetitions are counted, and none is left out", async (t) => {
  const { entries, recorder } = ledger(t, { maxKeys: 10 });
  for (let index = 0; index < 500; index += 1) recorder.denied(denial("evil.example:443"));
  await eventually("the first is told", () => entries.length === 1);
  for (let index = 0; index < 500; index += 1) recorder.denied(denial(`evil-${index}.example:443`));
  recorder.denied(denial("evil.example:443", "bb"));
  recorder.denied(denial("not a target"));
  await recorder.close(5_000);
  t.equal(timesOf(entries), 1002);
  t.ok(entries.length < 25, `${entries.length} entries for a thousand denials`);
  t.equal(entries.filter(({ details }) => details.target === "(others)").length, 1);
  t.equal(entries.filter(({ subject }) => subject === "bb").length, 1, "one agent's flood hides no other");
});

t.test("what happens while the ledger is away is told when it is back, in order and once", async (t) => {
  const fake = ledger(t);
  const { recorder, entries } = fake;
  fake.isDown = true;
  for (let index = 0; index < 200; index += 1) recorder.denied(denial(`evil-${index}.example:443`));
  await eventually("they wait", () => recorder.waiting === 200);
  fake.isDown = false;
  await eventually("they are told", () => entries.length === 200);
  t.same(
    entries.map(({ key }) => key?.n),
    Array.from({ length: 200 }, (_, index) => index + 1),
  );
});

t.test("every entry is in the ledger's vocabulary, and fits it", async (t) => {
  const { entries, recorder } = ledger(t);
  for (const target of ["evil.example:443", "http://127.0.0.1/", "x", "api.example.com:80"]) {
    recorder.denied(denial(target));
    recorder.denied({ ...denial(target), isRefused: false });
    recorder.denied(denial(target));
  }
  const connection = {
    agent: "aa",
    target: "api.example.com:443",
    via: "socks",
    sentBytes: 1,
    receivedBytes: 2,
    durationMs: 3,
  } as const;
  recorder.connected(connection);
  recorder.connected(connection);
  recorder.failed({ agent: "aa", target: "api.example.com:443", via: "http", code: "refused" });
  recorder.note({ action: "egress.rules", subject: "egressd", details: { agents: ["aa"], cut: 0 } });
  await recorder.close(5_000);
  t.match(
    entries.find(({ action }) => action === "egress.connect"),
    {
      details: { connections: 2, sentBytes: 2, receivedBytes: 4, durationMs: 6 },
    },
  );
  for (const { action, details } of entries) t.same(faultsOfDetails(action, details), [], action);
  t.equal(new Set(entries.map(({ action }) => action)).size, 5, "each action of egressd");
});
