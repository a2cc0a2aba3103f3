import type { Activity, DataEvent, LineageSource, Question } from "./events.ts";
import type { Origin } from "./graph.ts";

/** Events that are looked at for one question before it is given up, and said to be. */
export const lookback = 10_000;

const largestPage = 256;

export interface Found {
  readonly events: readonly DataEvent[];
  /** Why there may be more; `null` if these are all. */
  readonly cut: "limit" | "lookback" | null;
}

/** Whether an event counts for a question. */
type Accept = (event: DataEvent) => boolean | Promise<boolean>;

/** Up to `limit` events that count, page by page: small ones first, for most questions have short answers. */
export async function search(source: LineageSource, question: Question, accept: Accept): Promise<Found> {
  const events: DataEvent[] = [];
  let { after, before } = question;
  let size = question.limit + 1;
  for (let seen = 0; seen < lookback; size *= 4) {
    const limit = Math.min(size, largestPage, lookback - seen);
    const page = await source.find({ ...question, after, before, limit });
    for (const event of page.events) {
      if (!(await accept(event))) continue;
      if (events.length === question.limit) return { events, cut: "limit" };
      events.push(event);
    }
    if (page.last === null) return { events, cut: null };
    seen += limit;
    if (question.begin === "oldest") after = page.last;
    else before = page.last;
  }
  return { events, cut: "lookback" };
}

/** What an activity has consumed or produced between two entries. */
export async function eventsOf(
  source: LineageSource,
  { key, run, activity }: Activity,
  actor: string,
  range: Pick<Question, "kind" | "after" | "before" | "limit" | "begin">,
): Promise<Found> {
  const accept: Accept = (event) => event.activity.key === key;
  if (run !== null) return await search(source, { ...range, label: "run", value: run }, accept);
  // What nothing joins to other entries has none.
  if (activity === null) return { events: [], cut: null };
  return await search(source, { ...range, label: "actor", value: actor }, accept);
}

/**
 * The production of what was consumed: the last one before, of that version where one is given. What was consumed in a version
 * in which it was never produced before is not taken for another.
 */
export class Origins {
  readonly #source: LineageSource;
  readonly #produced = new Map<string, boolean>();
  readonly #known = new Map<number, Origin>();

  constructor(source: LineageSource) {
    this.#source = source;
  }

  async of(event: DataEvent): Promise<Origin> {
    const known = this.#known.get(event.seq);
    if (known !== undefined) return known;
    const origin = await this.#find(event);
    this.#known.set(event.seq, origin);
    return origin;
  }

  async #find({ seq, subject, record: { version } }: DataEvent): Promise<Origin> {
    if (!(await this.#isProduced(subject))) return { kind: "source" };
    const question = { kind: "produce", label: "subject", value: subject, after: 0, before: seq } as const;
    const newest = { ...question, limit: 1, begin: "newest" } as const;
    const { events, cut } = await search(this.#source, newest, (event) => isVersion(event, version));
    if (events[0] !== undefined) return { kind: "produced", event: events[0] };
    if (cut !== null) return { kind: "unknown" };
    const others = await search(this.#source, newest, () => true);
    return { kind: others.events.length > 0 ? "missing-version" : "source" };
  }

  /** Whether it ever is, whenever that was: most of what is consumed comes from outside. */
  async #isProduced(subject: string): Promise<boolean> {
    const known = this.#produced.get(subject);
    if (known !== undefined) return known;
    const range = { after: 0, before: Number.MAX_SAFE_INTEGER, limit: 1, begin: "oldest" } as const;
    const question = { kind: "produce", label: "subject", value: subject, ...range } as const;
    const { events } = await search(this.#source, question, () => true);
    this.#produced.set(subject, events.length > 0);
    return events.length > 0;
  }
}

/** Whether an event is about that version; any will do where none is asked for. */
export function isVersion(event: DataEvent, version: string | undefined): boolean {
  return version === undefined || event.record.version === version;
}
