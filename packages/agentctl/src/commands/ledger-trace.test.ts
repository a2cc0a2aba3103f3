import { dirname, join } from "node:path";
import { type AppendRequest, connectLedger, parseVerifier } from "@daruma/ledger";
import t, { type Test } from "tap";
import type { LineageDocument } from "../lineage/proofs.ts";
import { faultsOfLineage } from "../lineage/verify.ts";
import { documents, scratchDirectory } from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { ledgerTraceCommand } from "./ledger-query-commands.ts";

function data(kind: "consume" | "produce", name: string, run: string, more: AppendRequest["details"] = {}) {
  const [subject = "", version] = name.split("@");
  const [type = "", id = ""] = subject.split(/:(.*)/s);
  const about = { type, id, ...(version === undefined ? {} : { version }), agent: "etl", ...more };
  return { action: `data.${kind}`, subject, run, details: about };
}

const start = (run: string, generation: number) => ({
  action: "agent.start",
  subject: "etl",
  run,
  details: { digest: "d", generation },
});
const change = (number: number) => ({
  action: "generation.switch",
  subject: `/g/${number}`,
  details: { number },
});

const story: readonly AppendRequest[] = [
  start("r1", 1),
  change(1),
  data("consume", "file:in/a.csv@e1", "r1"),
  data("consume", "file:in/b.csv", "r1"),
  data("produce", "table:clean@1", "r1", { sha256: "aa".repeat(32) }),
  { action: "agent.complete", subject: "etl", run: "r1", details: {} },
  start("r2", 2),
  change(2),
  data("consume", "table:clean@1", "r2", { sha256: "aa".repeat(32), generation: 2 }),
  data("produce", "report:daily", "r2", { generation: 2 }),
  data("consume", "file:late", "r2"),
];

async function setUp(t: Test) {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  const connection = await connectLedger({ socket: join(dirname(ledger.socket), "watchd.sock") });
  await Promise.all(story.map((entry) => connection.append(entry)));
  await connection.close();
  const place = { cwd, environment: { XDG_RUNTIME_DIR: cwd } };
  return (...argv: string[]) => startHere([ledgerTraceCommand], ["ledger", "trace", ...argv], place).ended;
}

const withoutTimes = (text: string) => text.replaceAll(/, \d{4}-[^)]*Z/g, "");

t.test("a record is traced to where it came from, and to what it touched", async (t) => {
  const run = await setUp(t);
  t.equal(
    withoutTimes((await run("report:daily")).stdout),
    `report:daily
└─ produced by etl, run r2, generation 2 (entry 10)
   └─ table:clean@1 (entry 9)
      └─ produced by etl, run r1 (entry 5)
         ├─ file:in/a.csv@e1 (entry 3): from outside: nothing says who produced it
         └─ file:in/b.csv (entry 4): from outside: nothing says who produced it
`,
  );
  t.equal(
    withoutTimes((await run("file:in/a.csv", "--down")).stdout),
    `file:in/a.csv@e1: from outside: nothing says who produced it
└─ consumed by etl, run r1 (entry 3)
   └─ produced table:clean@1 (entry 5)
      └─ consumed by etl, run r2, generation 2 (entry 9)
         └─ produced report:daily (entry 10)
`,
  );
  t.equal(
    withoutTimes((await run("generation:1", "--down", "--depth", "1")).stdout),
    `generation 1
└─ etl, run r1 (entry 1)
   └─ produced table:clean@1 (entry 5): more beyond --depth
this is not all of it: see --depth and --limit
`,
  );
  t.match(
    (await run("run:r2", "--down")).stdout,
    /^etl, run r2, generation 2\n├─ consumed table:clean@1 .*\n├─ consumed file:late .*\n└─ produced report:daily/,
  );
});

t.test("what is asked wrongly, and what the ledger does not know, is told apart", async (t) => {
  const run = await setUp(t);
  for (const argv of [
    ["report"],
    ["generation:x"],
    ["a b:c"],
    ["run:r1", "--record-version", "1"],
    ["t:a", "--up", "--down"],
    ["t:a", "--depth", "0"],
  ]) {
    t.match(await run(...argv), { code: 2, stderr: /CLI_E_USAGE/ }, argv.join(" "));
  }
  for (const argv of [
    ["table:none"],
    ["table:clean", "--record-version", "9"],
    ["run:r9"],
    ["generation:9"],
  ]) {
    t.match(await run(...argv, "--down"), { code: 2, stderr: /LINEAGE_E_UNKNOWN/ }, argv.join(" "));
  }
});

t.test(
  "with --json each step is proven against the signed checkpoint, and what was changed is not",
  async (t) => {
    const run = await setUp(t);
    const [printed] = documents((await run("generation:1", "--down", "--json")).stdout);
    const document = printed as unknown as LineageDocument;
    t.match(document, { schemaVersion: 1, root: "generation:1", direction: "down", complete: true });
    t.same(
      document.edges.map(({ kind, seq }) => `${kind} ${seq}`),
      ["began 1", "used 3", "used 4", "generated 5", "used 9", "generated 10"],
    );
    const key = parseVerifier(document.key);
    if (key === null) throw new Error("no key");
    t.same(faultsOfLineage(document, key), []);
    const [, used, other, generated] = document.edges;
    if (used === undefined || other === undefined || generated === undefined) throw new Error("no edges");
    const forged: [string, Partial<LineageDocument>, RegExp][] = [
      ["another entry", { edges: [{ ...used, entry: other.entry }] }, /number 4, not 3/],
      [
        "a changed entry",
        { edges: [{ ...used, entry: used.entry.replace("a.csv", "c.csv") }] },
        /the entry is bad/,
      ],
      [
        "another leaf",
        { edges: [{ ...used, proof: { ...used.proof, leaf: other.proof.leaf } }] },
        /leaf is not/,
      ],
      [
        "another path",
        { edges: [{ ...used, proof: { ...used.proof, path: other.proof.path } }] },
        /does not lead/,
      ],
      ["a path of nonsense", { edges: [{ ...used, proof: { ...used.proof, path: ["x"] } }] }, /not readable/],
      ["another place", { edges: [{ ...used, entry: other.entry, proof: other.proof }] }, /another entry/],
      ["another record", { edges: [{ ...used, source: generated.target }] }, /something else/],
      ["another activity", { edges: [{ ...used, target: generated.target }] }, /another kind/],
      [
        "the other way",
        { edges: [{ ...used, kind: "generated", source: used.target, target: used.source }] },
        /something else/,
      ],
      ["no node", { nodes: [] }, /not there/],
      ["no checkpoint", { checkpoint: "x" }, /checkpoint is not readable/],
      [
        "another root",
        { checkpoint: document.checkpoint.replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${"A".repeat(43)}=\n`) },
        /not signed/,
      ],
    ];
    for (const [what, change, why] of forged) {
      t.match(faultsOfLineage({ ...document, ...change }, key)[0], why, what);
    }
  },
);

t.test("the same graph is told as OpenLineage and as PROV", async (t) => {
  const run = await setUp(t);
  const events = documents((await run("report:daily", "--format", "openlineage")).stdout);
  const types = events.map(({ eventType }) => String(eventType)).sort();
  // The run of the report has no end yet.
  t.same(types, ["COMPLETE", "RUNNING", "RUNNING", "START", "START"]);
  const [prov] = documents((await run("report:daily", "--format", "prov", "--json")).stdout);
  t.same(Object.keys(prov?.used as object), ["_:use-3", "_:use-4", "_:use-9"]);
});
