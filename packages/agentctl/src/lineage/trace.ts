import type { DataEvent, LineageSource } from "./events.ts";
import { GraphBuilder, type LineageGraph, type Origin } from "./graph.ts";
import { type Found, isVersion, Origins, search } from "./lookup.ts";
import { WalkDown } from "./walk-down.ts";
import { WalkUp } from "./walk-up.ts";

/** What a trace begins with. */
export type Root =
  | { readonly kind: "record"; readonly subject: string; readonly version: string | undefined }
  | { readonly kind: "run"; readonly run: string }
  | { readonly kind: "generation"; readonly number: number };

export interface TraceOptions {
  /** `up`: where it came from; `down`: what it touched. */
  readonly direction: "up" | "down";
  /** Activities between the root and the farthest record, from 1. */
  readonly depth: number;
  /** Edges at most, from 1. */
  readonly limit: number;
}

/** Entries up to here are looked at. */
const everything = Number.MAX_SAFE_INTEGER;

/**
 * Follows records through the activities that have consumed and produced them. Every step leads to an earlier entry (up) or to a
 * later one (down), so it ends whatever the entries say, records that come from each other among them. `null` if the ledger has
 * nothing about the root.
 */
export async function trace(
  source: LineageSource,
  root: Root,
  options: TraceOptions,
): Promise<LineageGraph | null> {
  const graph = new GraphBuilder(options.limit);
  const origins = new Origins(source);
  const parts = { source, graph, origins, depth: options.depth };
  if (options.direction === "up") {
    const walk = new WalkUp(parts);
    if (!(await beginUp(source, graph, root, walk))) return null;
    await walk.run();
  } else {
    const walk = new WalkDown(parts);
    if (!(await beginDown(source, graph, root, walk, origins))) return null;
    await walk.run();
  }
  return graph.finish(options.direction);
}

async function beginUp(
  source: LineageSource,
  graph: GraphBuilder,
  root: Root,
  walk: WalkUp,
): Promise<boolean> {
  if (root.kind !== "record") {
    return await beginWithRuns(source, graph, root, false, async (events) => {
      for (const event of events) {
        graph.addRoot(graph.activity(event.activity));
        if (event.kind === "consume") await walk.consumed(event, 1);
      }
    });
  }
  const { events, cut } = await search(
    source,
    { ...newestOf("produce", root.subject), limit: graph.limit },
    (event) => isVersion(event, root.version),
  );
  for (const event of events) {
    const id = graph.produced(event);
    graph.addRoot(id);
    if (cut !== null) graph.cut(id, cut);
    walk.produced(event, 0);
  }
  if (events.length > 0) return true;
  // What was only ever consumed came from elsewhere.
  const consumed = await search(source, { ...newestOf("consume", root.subject), limit: 1 }, (event) =>
    isVersion(event, root.version),
  );
  const [first] = consumed.events;
  if (first === undefined) return false;
  const other = await search(source, { ...newestOf("produce", root.subject), limit: 1 }, () => true);
  graph.addRoot(graph.consumed(first, { kind: other.events.length > 0 ? "missing-version" : "source" }));
  return true;
}

async function beginDown(
  source: LineageSource,
  graph: GraphBuilder,
  root: Root,
  walk: WalkDown,
  origins: Origins,
): Promise<boolean> {
  if (root.kind !== "record") {
    return await beginWithRuns(source, graph, root, true, async (events) => {
      for (const event of events) {
        graph.addRoot(graph.activity(event.activity));
        if (event.kind === "produce") walk.made(event, 1);
        else if (!graph.used(event, await origins.of(event)))
          graph.cut(graph.activity(event.activity), "limit");
      }
    });
  }
  const { subject, version } = root;
  const question = { ...newestOf("consume", subject), begin: "oldest", limit: graph.limit } as const;
  const found = await search(source, question, async (event) => {
    if (version !== undefined && (event.record.version ?? version) !== version) return false;
    return isOfVersion(event, await origins.of(event), version);
  });
  const roots: string[] = [];
  for (const event of found.events) {
    const origin = await origins.of(event);
    const id = graph.consumed(event, origin);
    roots.push(id);
    if (graph.used(event, origin)) walk.consumed(event, 0);
    else graph.cut(id, "limit");
  }
  if (roots.length === 0) {
    const produced = await search(source, { ...newestOf("produce", subject), limit: 1 }, (event) =>
      isVersion(event, version),
    );
    roots.push(...produced.events.map((event) => graph.produced(event)));
  }
  for (const id of roots) {
    graph.addRoot(id);
    if (found.cut !== null) graph.cut(id, found.cut);
  }
  return roots.length > 0;
}

/** What was consumed without a version had that of its production. */
function isOfVersion({ record }: DataEvent, origin: Origin, version: string | undefined): boolean {
  const produced = origin.kind === "produced" ? origin.event.record.version : undefined;
  return version === undefined || (record.version ?? produced) === version;
}

/** All events of a run, or of the runs that began in a generation, in their order. */
async function beginWithRuns(
  source: LineageSource,
  graph: GraphBuilder,
  root: Exclude<Root, { readonly kind: "record" }>,
  needsProduced: boolean,
  begin: (events: readonly DataEvent[]) => Promise<void>,
): Promise<boolean> {
  if (root.kind === "run") {
    const found = await eventsOfRun(source, root.run, graph, needsProduced);
    await begin(found.events);
    cutActivities(graph, found);
    return found.events.length > 0;
  }
  const { starts, complete } = await source.runsOf(root.number);
  if (starts.length === 0) return false;
  const id = graph.generation(root.number);
  graph.addRoot(id);
  if (!complete) graph.cut(id, "lookback");
  for (const start of starts) {
    if (graph.room <= 0) {
      graph.cut(id, "limit");
      break;
    }
    const found = await eventsOfRun(source, start.run, graph, needsProduced);
    for (const { activity } of found.events) {
      if (!graph.began(root.number, start, activity)) graph.cut(id, "limit");
    }
    await begin(found.events);
    cutActivities(graph, found);
  }
  return true;
}

function cutActivities(graph: GraphBuilder, { events, cut }: Found): void {
  if (cut !== null) for (const { activity } of events) graph.cut(graph.activity(activity), cut);
}

async function eventsOfRun(
  source: LineageSource,
  run: string,
  { limit }: GraphBuilder,
  needsProduced: boolean,
): Promise<Found> {
  const about = { label: "run", value: run, after: 0, before: everything, limit, begin: "oldest" } as const;
  const consumed = await search(source, { ...about, kind: "consume" }, () => true);
  const produced = await search(source, { ...about, kind: "produce" }, () => true);
  const events = [...consumed.events, ...produced.events].sort((a, b) => a.seq - b.seq);
  return { events, cut: consumed.cut ?? (needsProduced ? produced.cut : null) };
}

function newestOf(kind: DataEvent["kind"], subject: string) {
  return { kind, label: "subject", value: subject, after: 0, before: everything, begin: "newest" } as const;
}
