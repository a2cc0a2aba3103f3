import fc from "fast-check";
import t from "tap";
import { eventsOfDrafts, memorySource } from "../test-support/lineage.ts";
import type { DataEvent } from "./events.ts";
import type { LineageGraph } from "./graph.ts";
import { lookback } from "./lookup.ts";
import { type Root, trace } from "./trace.ts";

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const drafts = fc.array(
  fc
    .record({
      kind: fc.constantFrom("consume", "produce"),
      id: fc.constantFrom("a", "b", "c"),
      version: optional(fc.constantFrom("1", "2")),
      run: optional(fc.constantFrom("r1", "r2")),
      activity: optional(fc.constantFrom("x", "y")),
    })
    .map(({ kind, id, version, run, activity }) => ({
      action: `data.${kind}`,
      subject: `t:${id}`,
      ...(run === undefined ? {} : { run }),
      details: {
        type: "t",
        id,
        ...(version === undefined ? {} : { version }),
        ...(activity === undefined ? {} : { activity }),
      },
    })),
  { maxLength: 30 },
);
const roots: fc.Arbitrary<Root> = fc.oneof(
  fc.record({
    kind: fc.constant("record" as const),
    subject: fc.constantFrom("t:a", "t:b"),
    version: optional(fc.constantFrom("1", "2", "3")),
  }),
  fc.record({ kind: fc.constant("run" as const), run: fc.constantFrom("r1", "r2") }),
);

/** What lineage means, without any regard to how it is found: the entries that tell it. */
class Meaning {
  readonly #events: readonly DataEvent[];
  readonly #found = new Set<number>();

  constructor(events: readonly DataEvent[]) {
    this.#events = events;
  }

  up(root: Root): ReadonlySet<number> {
    for (const event of this.#events) {
      if (root.kind === "run" && event.activity.run === root.run && event.kind === "consume")
        this.#used(event);
      if (root.kind === "record" && event.kind === "produce" && isRoot(event, root)) this.#generated(event);
    }
    return this.#found;
  }

  down(root: Root): ReadonlySet<number> {
    for (const event of this.#events) {
      if (root.kind === "run" && event.activity.run === root.run)
        this.#downFrom(event, event.kind === "produce");
      if (root.kind !== "record" || event.kind !== "consume" || event.subject !== root.subject) continue;
      const version = event.record.version ?? this.#origin(event)?.record.version;
      if (root.version === undefined || version === root.version) this.#downFrom(event, true);
    }
    return this.#found;
  }

  #generated(event: DataEvent): void {
    if (this.#found.has(event.seq)) return;
    this.#found.add(event.seq);
    for (const other of this.#events) {
      if (other.kind === "consume" && other.seq < event.seq && isSame(other, event)) this.#used(other);
    }
  }

  #used(event: DataEvent): void {
    this.#found.add(event.seq);
    const origin = this.#origin(event);
    if (origin !== undefined) this.#generated(origin);
  }

  #downFrom(event: DataEvent, goesOn: boolean): void {
    if (this.#found.has(event.seq)) return;
    this.#found.add(event.seq);
    if (!goesOn) return;
    for (const other of this.#events) {
      if (other.seq <= event.seq || other.kind === event.kind) continue;
      const follows = event.kind === "consume" ? isSame(other, event) : this.#origin(other) === event;
      if (follows) this.#downFrom(other, true);
    }
  }

  #origin({ seq, subject, record }: DataEvent): DataEvent | undefined {
    return this.#events.findLast(
      (other) =>
        other.kind === "produce" &&
        other.seq < seq &&
        other.subject === subject &&
        (record.version === undefined || other.record.version === record.version),
    );
  }
}

function isRoot({ subject, record }: DataEvent, root: Extract<Root, { kind: "record" }>): boolean {
  return subject === root.subject && (root.version === undefined || record.version === root.version);
}

function isSame(one: DataEvent, other: DataEvent): boolean {
  return one.activity.key === other.activity.key;
}

const seqsOf = (graph: LineageGraph | null) => graph?.edges.map(({ seq }) => seq) ?? [];
const deep = 1000;
const unbounded = { depth: deep, limit: 1000 } as const;

t.test("a trace is what lineage means, whatever the entries say", async (t) => {
  const property = fc.asyncProperty(
    drafts,
    roots,
    fc.constantFrom("up", "down"),
    async (all, root, direction) => {
      const events = eventsOfDrafts(all);
      const graph = await trace(memorySource(events), root, { direction, ...unbounded });
      const meant = [...new Meaning(events)[direction](root)].sort((a, b) => a - b);
      return String(seqsOf(graph)) === String(meant) && (graph?.complete ?? true);
    },
  );
  await fc.assert(property, { numRuns: 300 });
  t.pass();
});

t.test("a bounded trace is a part of the whole one, and never passes for all of it", async (t) => {
  const bounds = fc.record({
    depth: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(deep)),
    limit: fc.integer({ min: 1, max: 12 }),
  });
  const property = fc.asyncProperty(
    drafts,
    roots,
    fc.constantFrom("up", "down"),
    bounds,
    async (all, root, direction, bound) => {
      const source = memorySource(eventsOfDrafts(all));
      const whole = await trace(source, root, { direction, ...unbounded });
      const part = await trace(source, root, { direction, ...bound });
      if (whole === null || part === null) return whole === part;
      const all_ = new Set(seqsOf(whole));
      const isPart = part.edges.length <= bound.limit && seqsOf(part).every((seq) => all_.has(seq));
      const isWhole = part.edges.length === whole.edges.length;
      // At the greatest depth it is not looked whether what lies beyond is known already.
      return isPart && (part.complete ? isWhole : !isWhole || bound.depth < deep);
    },
  );
  await fc.assert(property, { numRuns: 300 });
  t.pass();
});

t.test("every edge joins two nodes that are there, and every node but a root is joined", async (t) => {
  const property = fc.asyncProperty(
    drafts,
    roots,
    fc.constantFrom("up", "down"),
    async (all, root, direction) => {
      const graph = await trace(memorySource(eventsOfDrafts(all)), root, { direction, ...unbounded });
      if (graph === null) return true;
      const ids = new Set(graph.nodes.map(({ id }) => id));
      const joined = new Set([
        ...graph.roots,
        ...graph.edges.flatMap(({ source, target }) => [source, target]),
      ]);
      return ids.size === joined.size && [...joined].every((id) => ids.has(id));
    },
  );
  await fc.assert(property, { numRuns: 200 });
  t.pass();
});

const draft = (kind: "consume" | "produce", name: string, run: string, more: object = {}) => {
  const [id = "", version] = name.split("@");
  const about = { type: "t", id, ...(version === undefined ? {} : { version }), ...more };
  return { action: `data.${kind}`, subject: `t:${id}`, run, details: about };
};

t.test(
  "a version that was never produced is not taken for another, and other bytes are noticed",
  async (t) => {
    const events = eventsOfDrafts([
      draft("produce", "a@1", "r0", { sha256: "aa".repeat(32) }),
      draft("consume", "a@2", "r1"),
      draft("consume", "a@1", "r1", { sha256: "bb".repeat(32) }),
      draft("consume", "outside", "r1"),
      draft("produce", "b", "r1"),
    ]);
    const root = { kind: "record", subject: "t:b", version: undefined } as const;
    const graph = await trace(memorySource(events), root, { direction: "up", ...unbounded });
    const originOf = (name: string, version: string | null) =>
      graph?.nodes.find((node) => node.kind === "record" && node.name === name && node.version === version);
    t.match(originOf("a", "2"), { origin: "missing-version" });
    t.match(originOf("a", "1"), { origin: "produced", producedAt: 1 });
    t.match(originOf("outside", null), { origin: "source" });
    t.same(
      graph?.edges.map(({ seq, mismatch }) => [seq, mismatch]),
      [
        [1, false],
        [2, false],
        [3, true],
        [4, false],
        [5, false],
      ],
    );
  },
);

t.test("what is long and wide costs what is shown of it", async (t) => {
  // One run that has consumed 5,000 records, after a chain of 500 runs.
  const chain = Array.from({ length: 500 }, (_, n) => [
    draft("consume", `c${n}`, `r${n}`),
    draft("produce", `c${n + 1}`, `r${n}`),
  ]).flat();
  const wide = Array.from({ length: 5000 }, (_, n) => draft("consume", `w${n}`, "wide"));
  const events = eventsOfDrafts([
    ...chain,
    draft("consume", "c500", "wide"),
    ...wide,
    draft("produce", "end", "wide"),
  ]);
  const root = { kind: "record", subject: "t:end", version: undefined } as const;
  const source = memorySource(events);
  const shallow = await trace(source, root, { direction: "up", depth: 3, limit: 50 });
  t.equal(shallow?.edges.length, 50);
  t.equal(shallow?.complete, false);
  t.ok(source.given() < 1000, `${source.given()} events for 50 edges`);
  const lone = await trace(
    memorySource(events.slice(0, 1000)),
    { ...root, subject: "t:c500" },
    { direction: "up", depth: 5000, limit: 5000 },
  );
  t.equal(lone?.edges.length, 1000);
  t.equal(lone?.complete, true);
});

t.test("a root that the ledger knows nothing of has no trace", async (t) => {
  const source = memorySource(eventsOfDrafts([draft("consume", "a@1", "r")]));
  for (const direction of ["up", "down"] as const) {
    for (const root of [
      { kind: "record", subject: "t:b", version: undefined },
      { kind: "record", subject: "t:a", version: "2" },
      { kind: "run", run: "r9" },
      { kind: "generation", number: 1 },
    ] as const) {
      t.equal(await trace(source, root, { direction, ...unbounded }), null);
    }
  }
});

t.test("a generation leads to the runs that it began", async (t) => {
  const events = eventsOfDrafts([
    draft("consume", "in", "r1"),
    draft("produce", "out", "r1"),
    draft("consume", "out", "r2"),
    draft("produce", "far", "r2"),
  ]);
  const start = { run: "r1", agent: "loader", seq: 90, time: "2026-11-28T00:00:00.000Z", line: "{}" };
  const source = memorySource(events, [start]);
  const graph = await trace(source, { kind: "generation", number: 3 }, { direction: "down", ...unbounded });
  t.same(
    graph?.edges.map(({ kind, seq }) => `${kind} ${seq}`),
    ["used 1", "generated 2", "used 3", "generated 4", "began 90"],
  );
});

t.test("what takes too long to look for is not said to be missing", async (t) => {
  const others = Array.from({ length: lookback + 1 }, () => draft("produce", "a@2", "r0"));
  const events = eventsOfDrafts([
    draft("produce", "a@1", "r0"),
    ...others,
    draft("consume", "a@1", "r1"),
    draft("produce", "b", "r1"),
  ]);
  const root = { kind: "record", subject: "t:b", version: undefined } as const;
  const graph = await trace(memorySource(events), root, { direction: "up", ...unbounded });
  t.match(
    graph?.nodes.find((node) => node.kind === "record" && node.name === "a"),
    { origin: "unknown", producedAt: null, cut: "lookback" },
  );
  t.equal(graph?.complete, false);
});
