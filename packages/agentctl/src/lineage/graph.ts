import type { Activity, DataEvent, RunStart } from "./events.ts";

/** Why there may be more than a node shows: the depth or the number of edges asked for, or too much to look through. */
export type Cut = "depth" | "limit" | "lookback";

/** One state of a record: what one entry says was produced, or what came from elsewhere. */
export interface RecordNode {
  readonly id: string;
  readonly kind: "record";
  readonly type: string;
  readonly name: string;
  readonly version: string | null;
  readonly sha256: string | null;
  /**
   * `produced`: an entry says so; `source`: nothing says that it was produced before it was consumed; `missing-version`: it was
   * produced, but not in this version; `unknown`: there are too many productions to look through.
   */
  readonly origin: Origin["kind"];
  /** The entry that says that it was produced. */
  readonly producedAt: number | null;
  readonly cut: Cut | null;
}

export interface ActivityNode extends Omit<Activity, "key"> {
  readonly id: string;
  readonly kind: "activity";
  readonly cut: Cut | null;
}

export interface GenerationNode {
  readonly id: string;
  readonly kind: "generation";
  readonly number: number;
  readonly cut: Cut | null;
}

export type LineageNode = RecordNode | ActivityNode | GenerationNode;

/** In the direction in which data flows. Each is what one entry says. */
export interface LineageEdge {
  /** An activity has used a record, or generated one; a generation began a run. */
  readonly kind: "used" | "generated" | "began";
  readonly source: string;
  readonly target: string;
  readonly seq: number;
  readonly time: string;
  /** The bytes that were consumed are others than those that were produced as this state, by their digests. */
  readonly mismatch: boolean;
  /** The stored text of the entry. */
  readonly entry: string;
}

export interface LineageGraph {
  readonly direction: "up" | "down";
  /** Ids of the nodes that it begins with. */
  readonly roots: readonly string[];
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  /** Whether nothing was cut. */
  readonly complete: boolean;
}

/** What a consumed record was, as far as the ledger knows. */
export type Origin =
  | { readonly kind: "produced"; readonly event: DataEvent }
  | { readonly kind: "source" | "missing-version" | "unknown" };

/** Grows a graph without repeats and up to so many edges. */
export class GraphBuilder {
  /** Edges at most. */
  readonly limit: number;
  readonly #nodes = new Map<string, LineageNode>();
  readonly #edges = new Map<string, LineageEdge>();
  readonly #roots = new Set<string>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many edges may still be added. */
  get room(): number {
    return this.limit - this.#edges.size;
  }

  addRoot(id: string): void {
    this.#roots.add(id);
  }

  /** The state that a production has made. */
  produced(event: DataEvent): string {
    return this.#addRecord(event, "produced", event.seq);
  }

  /** The state that was consumed. */
  consumed(event: DataEvent, origin: Origin): string {
    if (origin.kind === "produced") return this.produced(origin.event);
    const id = this.#addRecord(event, origin.kind, null);
    if (origin.kind === "unknown") this.cut(id, "lookback");
    return id;
  }

  activity({ key, ...activity }: Activity): string {
    const id = `activity:${key}`;
    const known = this.#nodes.get(id);
    // What one entry leaves out another may tell.
    if (known?.kind !== "activity" || (known.generation === null && activity.generation !== null)) {
      this.#nodes.set(id, { id, kind: "activity", ...activity, cut: known?.cut ?? null });
    }
    return id;
  }

  generation(number: number): string {
    const id = `generation:${number}`;
    if (!this.#nodes.has(id)) this.#nodes.set(id, { id, kind: "generation", number, cut: null });
    return id;
  }

  /** False, and nothing is added, once there is no room. */
  used(event: DataEvent, origin: Origin): boolean {
    const mismatch =
      origin.kind === "produced" &&
      event.record.sha256 !== undefined &&
      origin.event.record.sha256 !== undefined &&
      event.record.sha256 !== origin.event.record.sha256;
    if (this.room <= 0 && !this.#edges.has(`used ${event.seq}`)) return false;
    const ends = { source: this.consumed(event, origin), target: this.activity(event.activity) };
    return this.#addEdge(`used ${event.seq}`, { kind: "used", ...ends, ...factsOf(event), mismatch });
  }

  generated(event: DataEvent): boolean {
    if (this.room <= 0 && !this.#edges.has(`generated ${event.seq}`)) return false;
    const ends = { source: this.activity(event.activity), target: this.produced(event) };
    return this.#addEdge(`generated ${event.seq}`, {
      kind: "generated",
      ...ends,
      ...factsOf(event),
      mismatch: false,
    });
  }

  began(generation: number, start: RunStart, activity: Activity): boolean {
    const key = `began ${start.seq} ${activity.key}`;
    if (this.room <= 0 && !this.#edges.has(key)) return false;
    const ends = { source: this.generation(generation), target: this.activity(activity) };
    return this.#addEdge(key, { kind: "began", ...ends, ...factsOf(start), mismatch: false });
  }

  cut(id: string, why: Cut): void {
    const node = this.#nodes.get(id);
    if (node !== undefined && node.cut === null) this.#nodes.set(id, { ...node, cut: why });
  }

  finish(direction: LineageGraph["direction"]): LineageGraph {
    const nodes = [...this.#nodes.values()];
    const edges = [...this.#edges.values()].sort((a, b) => a.seq - b.seq);
    const complete = nodes.every((node) => node.cut === null);
    return { direction, roots: [...this.#roots], nodes, edges, complete };
  }

  #addRecord(
    { subject, record }: DataEvent,
    origin: RecordNode["origin"],
    producedAt: number | null,
  ): string {
    const { type, id: name, version = null, sha256 = null } = record;
    const id = `record:${JSON.stringify([subject, version, producedAt])}`;
    if (!this.#nodes.has(id)) {
      this.#nodes.set(id, { id, kind: "record", type, name, version, sha256, origin, producedAt, cut: null });
    }
    return id;
  }

  #addEdge(key: string, edge: LineageEdge): boolean {
    if (!this.#edges.has(key)) this.#edges.set(key, edge);
    return true;
  }
}

function factsOf({ seq, time, line }: DataEvent | RunStart): Pick<LineageEdge, "seq" | "time" | "entry"> {
  return { seq, time, entry: line };
}
