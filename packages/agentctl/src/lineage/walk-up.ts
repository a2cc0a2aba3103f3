import type { DataEvent, LineageSource } from "./events.ts";
import { Frontier, type Work } from "./frontier.ts";
import type { GraphBuilder } from "./graph.ts";
import { eventsOf, type Origins } from "./lookup.ts";

export interface WalkParts {
  readonly source: LineageSource;
  readonly graph: GraphBuilder;
  readonly origins: Origins;
  /** How many activities away from the root it goes. */
  readonly depth: number;
}

/** From what was produced to what its activity had consumed before, nearest first. */
export class WalkUp {
  readonly #parts: WalkParts;
  readonly #frontier = new Frontier();
  /** By activity: up to which entry its consumption is in the graph. */
  readonly #done = new Map<string, number>();

  constructor(parts: WalkParts) {
    this.#parts = parts;
  }

  /** Goes on from a production. */
  produced(event: DataEvent, depth: number): void {
    this.#frontier.add(event, depth);
  }

  /** Adds what was consumed, and goes on from where it was produced. False once there is no more room. */
  async consumed(event: DataEvent, depth: number): Promise<boolean> {
    const { graph, origins } = this.#parts;
    const origin = await origins.of(event);
    if (!graph.used(event, origin)) {
      graph.cut(graph.activity(event.activity), "limit");
      return false;
    }
    if (origin.kind === "produced") this.produced(origin.event, depth);
    return true;
  }

  async run(): Promise<void> {
    await this.#frontier.drain((work) => this.#expand(work));
  }

  async #expand({ event, depth }: Work): Promise<void> {
    const { graph, source, depth: deepest } = this.#parts;
    const id = graph.produced(event);
    if (depth >= deepest) {
      graph.cut(id, "depth");
      return;
    }
    if (!graph.generated(event)) {
      graph.cut(id, "limit");
      return;
    }
    const { activity, actor, seq } = event;
    const after = this.#done.get(activity.key) ?? 0;
    if (seq <= after) return;
    const range = { kind: "consume", after, before: seq, limit: graph.limit, begin: "newest" } as const;
    const found = await eventsOf(source, activity, actor, range);
    this.#done.set(activity.key, seq);
    for (const consumption of found.events) {
      if (!(await this.consumed(consumption, depth + 1))) return;
    }
    if (found.cut !== null) graph.cut(graph.activity(activity), found.cut);
  }
}
