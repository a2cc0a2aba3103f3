import { type Entry, faultOfEntryProof, type LogVerifier } from "@daruma/ledger";
import { eventOf } from "./events.ts";
import type { LineageNode } from "./graph.ts";
import type { LineageDocument, ProvenEdge } from "./proofs.ts";

/**
 * Why a trace does not hold, one message without a full stop for each edge that does not; none if all of it does. Each edge must be
 * what its entry says, and the entry must be in the tree that `key` has signed. That nothing is left out is not shown.
 */
export function faultsOfLineage(document: LineageDocument, key: LogVerifier): readonly string[] {
  const nodes = new Map(document.nodes.map((node) => [node.id, node]));
  return document.edges.flatMap((edge) => {
    const fault =
      faultOfEntryProof(edge.entry, edge.proof, document.checkpoint, key) ?? faultOfEdge(edge, nodes);
    return fault === null ? [] : [`entry ${edge.seq}: ${fault}`];
  });
}

function faultOfEdge(edge: ProvenEdge, nodes: ReadonlyMap<string, LineageNode>): string | null {
  const entry = JSON.parse(edge.entry) as Entry;
  const [source, target] = [nodes.get(edge.source), nodes.get(edge.target)];
  if (source === undefined || target === undefined) return "it joins nodes that are not there";
  if (edge.proof.seq !== edge.seq || entry.seq !== edge.seq) return "its proof is that of another entry";
  const [record, activity] = edge.kind === "generated" ? [target, source] : [source, target];
  if (edge.kind === "began") {
    const says =
      entry.action === "agent.start" && record.kind === "generation" && activity.kind === "activity";
    const same = says && entry.details.generation === record.number && entry.run === activity.run;
    return same ? null : "it does not say that this generation began this run";
  }
  const event = eventOf(entry, edge.entry);
  if (record.kind !== "record" || activity.kind !== "activity" || event === null)
    return "it is of another kind";
  const isKind = event.kind === (edge.kind === "used" ? "consume" : "produce");
  const isRecord = event.record.type === record.type && event.record.id === record.name;
  const version = event.record.version ?? null;
  const isVersion = version === record.version || (edge.kind === "used" && version === null);
  const isActivity = activity.id === `activity:${event.activity.key}`;
  const isState = edge.kind === "used" || record.producedAt === edge.seq;
  return isKind && isRecord && isVersion && isActivity && isState
    ? null
    : "it says something else than the edge";
}
