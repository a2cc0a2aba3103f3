import type { DataEvent } from "./events.ts";
import { Frontier, type Work } from "./frontier.ts";
import { eventsOf, isVersion, search } from "./lookup.ts";
import type { WalkParts } from "./walk-up.ts";

const everything = Number.MAX_SAFE_INTEGER;

/** From what was consumed to what its activity has produced after that, and to who has consumed that in turn, nearest first. */
export class WalkDown {
  readonly #parts: WalkParts;
  readonly #frontier = new Frontier();
  /** By activity: from which entry on its products are in the graph. */
  readonly #done = new Map<string, number>();

  constructor(parts: WalkParts) {
    this.#parts = parts;
  }

  /** Goes on from a consumption that is in the graph. */
  consumed(event: DataEvent, depth: number): void {
    this.#frontier.add(event, depth);
  }

  /** Adds what was produced, and goes on from there. False once there is no more room. */
  made(event: DataEvent, depth: number): boolean {
    const { graph } = this.#parts;
    if (!graph.generated(event)) {
      graph.cut(graph.activity(event.activity), "limit");
      return false;
    }
    this.#frontier.add(event, depth);
    return true;
  }

  async run(): Promise<void> {
    await this.#frontier.drain((work) =>
      work.event.kind === "consume" ? this.#products(work) : this.#consumers(work),
    );
  }

  async #products({ event, depth }: Work): Promise<void> {
    const { graph, source } = this.#parts;
    const { activity, actor, seq } = event;
    const before = this.#done.get(activity.key) ?? everything;
    if (seq >= before) return;
    const range = { kind: "produce", after: seq, before, limit: graph.limit, begin: "oldest" } as const;
    const found = await eventsOf(source, activity, actor, range);
    this.#done.set(activity.key, seq);
    for (const product of found.events) if (!this.made(product, depth + 1)) return;
    if (found.cut !== null) graph.cut(graph.activity(activity), found.cut);
  }

  /** Those who have consumed this state: before another took its place, or by its version while that was its latest. */
  async #consumers({ event, depth }: Work): Promise<void> {
    const { graph, source, origins, depth: deepest } = this.#parts;
    const id = graph.produced(event);
    const question = { label: "subject", value: event.subject, after: event.seq } as const;
    const { version } = event.record;
    const production = {
      ...question,
      kind: "produce",
      before: everything,
      limit: 1,
      begin: "oldest",
    } as const;
    const successor = await search(source, production, (later) => isVersion(later, version));
    const before = successor.events[0]?.seq ?? everything;
    const consumption = {
      ...question,
      kind: "consume",
      before,
      begin: "oldest",
      limit: graph.limit,
    } as const;
    const found = await search(source, consumption, async (consumer) => {
      const named = consumer.record.version;
      if (named !== undefined && named !== version) return false;
      const origin = await origins.of(consumer);
      return origin.kind === "produced" && origin.event.seq === event.seq;
    });
    for (const consumer of found.events) {
      if (depth >= deepest) {
        graph.cut(id, "depth");
        return;
      }
      if (!graph.used(consumer, { kind: "produced", event })) {
        graph.cut(id, "limit");
        return;
      }
      this.consumed(consumer, depth);
    }
    if (found.cut !== null) graph.cut(id, found.cut);
  }
}
