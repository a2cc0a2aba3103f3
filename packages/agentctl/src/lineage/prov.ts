import type { ActivityNode, LineageEdge, LineageGraph, RecordNode } from "./graph.ts";
import { nameOfRecord } from "./names.ts";

type Attributes = Readonly<Record<string, unknown>>;
type Statements = Record<string, Attributes>;

/** https://www.w3.org/submissions/prov-json/ */
export interface ProvDocument {
  readonly prefix: Readonly<Record<string, string>>;
  readonly entity: Statements;
  readonly activity: Statements;
  readonly agent: Statements;
  readonly used: Statements;
  readonly wasGeneratedBy: Statements;
  readonly wasDerivedFrom: Statements;
  readonly wasAssociatedWith: Statements;
}

/** Derivations follow from the rest, and may be as many as the square of it: so many are written. */
export const maxDerivations = 20_000;

/** The graph as PROV-JSON. Identifiers are those of this host's ledger; `daruma:entry` is the number of the entry that says so. */
export function provDocument(graph: LineageGraph, host: string): ProvDocument {
  const document: ProvDocument = {
    prefix: { daruma: `daruma://${encodeURIComponent(host)}/` },
    entity: {},
    activity: {},
    agent: {},
    used: {},
    wasGeneratedBy: {},
    wasDerivedFrom: {},
    wasAssociatedWith: {},
  };
  const names = new Map<string, string>();
  for (const node of graph.nodes) {
    if (node.kind === "record") {
      names.set(node.id, entityName(node));
      document.entity[entityName(node)] = entityOf(node);
    } else if (node.kind === "activity") {
      const [activity, agent] = [activityName(node), `daruma:agent/${local(node.agent)}`];
      names.set(node.id, activity);
      document.activity[activity] = activityOf(node);
      document.agent[agent] = { "prov:type": qualified("prov:SoftwareAgent"), "prov:label": node.agent };
      document.wasAssociatedWith[`_:assoc-${Object.keys(document.wasAssociatedWith).length + 1}`] = {
        "prov:activity": activity,
        "prov:agent": agent,
      };
    }
  }
  for (const edge of graph.edges) {
    const [source, target] = [names.get(edge.source), names.get(edge.target)];
    if (source === undefined || target === undefined || edge.kind === "began") continue;
    const [activity, entity] = edge.kind === "used" ? [target, source] : [source, target];
    const statements = edge.kind === "used" ? document.used : document.wasGeneratedBy;
    statements[idOf(edge)] = {
      "prov:activity": activity,
      "prov:entity": entity,
      "prov:time": edge.time,
      "daruma:entry": edge.seq,
    };
  }
  for (const { generated, used } of derivations(graph)) {
    document.wasDerivedFrom[`_:der-${generated.seq}-${used.seq}`] = {
      "prov:generatedEntity": names.get(generated.target),
      "prov:usedEntity": names.get(used.source),
      "prov:activity": names.get(generated.source),
      "prov:generation": idOf(generated),
      "prov:usage": idOf(used),
    };
  }
  return document;
}

/** What an activity made comes from what it had used before. */
function derivations({ edges }: LineageGraph): readonly { generated: LineageEdge; used: LineageEdge }[] {
  const usedBy = Map.groupBy(
    edges.filter(({ kind }) => kind === "used"),
    ({ target }) => target,
  );
  const found: { generated: LineageEdge; used: LineageEdge }[] = [];
  for (const generated of edges) {
    if (generated.kind !== "generated") continue;
    for (const used of usedBy.get(generated.source) ?? []) {
      if (used.seq > generated.seq) continue;
      if (found.length === maxDerivations) return found;
      found.push({ generated, used });
    }
  }
  return found;
}

function idOf({ kind, seq }: LineageEdge): string {
  return `_:${kind === "used" ? "use" : "gen"}-${seq}`;
}

function entityName({ type, name, version, producedAt }: RecordNode): string {
  const state = producedAt === null ? "outside" : String(producedAt);
  return `daruma:record/${local(type)}/${local(name)}/${version === null ? "" : local(version)}/${state}`;
}

function entityOf(node: RecordNode): Attributes {
  const { type, name, version, sha256, origin } = node;
  return {
    "prov:label": nameOfRecord(node),
    "daruma:type": type,
    "daruma:id": name,
    "daruma:origin": origin,
    ...(version === null ? {} : { "daruma:version": version }),
    ...(sha256 === null ? {} : { "daruma:sha256": sha256 }),
  };
}

function activityName({ id }: ActivityNode): string {
  return `daruma:activity/${local(id.slice(id.indexOf(":") + 1))}`;
}

function activityOf({ run, activity, generation }: ActivityNode): Attributes {
  return {
    ...(run === null ? {} : { "daruma:run": run }),
    ...(activity === null ? {} : { "daruma:activity": activity }),
    ...(generation === null ? {} : { "daruma:generation": generation }),
  };
}

function qualified(name: string): Attributes {
  return { $: name, type: "prov:QUALIFIED_NAME" };
}

/** A part of a local name: everything but letters, digits, `-` and `_` as %XX, which PROV-N takes as it is. */
function local(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[.!~*'()]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
