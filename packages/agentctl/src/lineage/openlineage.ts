import manifest from "../../package.json" with { type: "json" };
import type { ActivityNode, LineageEdge, LineageGraph, RecordNode } from "./graph.ts";
import { nameUuid, urlNamespace } from "./uuid.ts";

/** How the run of an activity ended, as far as the ledger tells. */
export interface RunEnd {
  readonly eventType: "COMPLETE" | "FAIL" | "ABORT";
  readonly time: string;
}

interface Facet {
  readonly _producer: string;
  readonly _schemaURL: string;
  readonly [field: string]: unknown;
}

interface Dataset {
  readonly namespace: string;
  readonly name: string;
  readonly facets: Readonly<Record<string, Facet>>;
}

interface Job {
  readonly namespace: string;
  readonly name: string;
}

/** https://openlineage.io/spec/2-0-2/OpenLineage.json */
export interface RunEvent {
  readonly eventType: "START" | "RUNNING" | RunEnd["eventType"];
  readonly eventTime: string;
  readonly run: { readonly runId: string; readonly facets: Readonly<Record<string, Facet>> };
  readonly job: Job;
  readonly inputs: readonly Dataset[];
  readonly outputs: readonly Dataset[];
  readonly producer: string;
  readonly schemaURL: string;
}

const spec = "https://openlineage.io/spec";
const producer = `urn:x-daruma:agentctl:${manifest.version}`;
const schemaURL = `${spec}/2-0-2/OpenLineage.json#/$defs/RunEvent`;

/**
 * The graph as OpenLineage events: for each activity a START, a RUNNING with what it has read and written as far as the trace
 * shows, and its end where the ledger has one. The times are those of the entries; that of the START is the first of them.
 *
 * @param ends by run, for activities that are whole runs
 */
export function openLineageEvents(
  graph: LineageGraph,
  host: string,
  ends: ReadonlyMap<string, RunEnd>,
): readonly RunEvent[] {
  const records = new Map(graph.nodes.flatMap((node) => (node.kind === "record" ? [[node.id, node]] : [])));
  const events = graph.nodes.flatMap((node): readonly RunEvent[] => {
    if (node.kind !== "activity") return [];
    const used = graph.edges.filter(({ kind, target }) => kind === "used" && target === node.id);
    const generated = graph.edges.filter(({ kind, source }) => kind === "generated" && source === node.id);
    const times = [...used, ...generated].map(({ time }) => time).sort();
    const [first, last] = [times[0], times.at(-1)];
    if (first === undefined || last === undefined) return [];
    const about = {
      run: { runId: runIdOf(host, node), facets: runFacets(host, node) },
      job: jobOf(host, node),
      inputs: [],
      outputs: [],
      producer,
      schemaURL,
    };
    const end = node.run === null || node.activity !== null ? undefined : ends.get(node.run);
    return [
      { eventType: "START", eventTime: first, ...about },
      {
        eventType: "RUNNING",
        eventTime: last,
        ...about,
        inputs: datasetsOf(used, ({ source }) => records.get(source)),
        outputs: datasetsOf(generated, ({ target }) => records.get(target)),
      },
      ...(end === undefined ? [] : [{ eventType: end.eventType, eventTime: end.time, ...about }]),
    ];
  });
  return events.sort((a, b) => (a.eventTime < b.eventTime ? -1 : a.eventTime > b.eventTime ? 1 : 0));
}

/** Hosts' names and the like as a part of a URI. */
function part(text: string): string {
  return encodeURIComponent(text);
}

function jobOf(host: string, { agent }: Pick<ActivityNode, "agent">): Job {
  return { namespace: `daruma://${part(host)}`, name: agent };
}

type ActivityName = Pick<ActivityNode, "id" | "run" | "activity">;

function runIdOf(host: string, { id, run, activity }: ActivityName): string {
  const whole = run !== null && activity === null;
  const name = whole ? `run/${part(run)}` : `activity/${part(id)}`;
  return nameUuid(urlNamespace, `daruma://${part(host)}/${name}`);
}

function runFacets(host: string, node: ActivityNode): Readonly<Record<string, Facet>> {
  const { run, activity, generation } = node;
  const own = facet("2-0-2/OpenLineage.json#/$defs/RunFacet", { run, activity, generation });
  if (run === null || activity === null) return { daruma_activity: own };
  const parent = { run: { runId: runIdOf(host, { ...node, activity: null }) }, job: jobOf(host, node) };
  return {
    daruma_activity: own,
    parent: facet("facets/1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet", parent),
  };
}

/** Each state of a record once, with the entries that name it. */
function datasetsOf(
  edges: readonly LineageEdge[],
  recordOf: (edge: LineageEdge) => RecordNode | undefined,
): readonly Dataset[] {
  const seqs = new Map<RecordNode, number[]>();
  for (const edge of edges) {
    const record = recordOf(edge);
    if (record !== undefined) seqs.set(record, [...(seqs.get(record) ?? []), edge.seq]);
  }
  return [...seqs].map(([{ type, name, version, sha256, origin }, entries]) => ({
    namespace: `daruma:${type}`,
    name,
    facets: {
      ...(version === null
        ? {}
        : {
            version: facet("facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet", {
              datasetVersion: version,
            }),
          }),
      daruma_record: facet("2-0-2/OpenLineage.json#/$defs/DatasetFacet", { sha256, origin, entries }),
    },
  }));
}

function facet(schema: string, fields: Readonly<Record<string, unknown>>): Facet {
  return { _producer: producer, _schemaURL: `${spec}/${schema}`, ...fields };
}
