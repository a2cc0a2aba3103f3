import type { Entry, EntryDraft } from "@daruma/ledger";
import { type DataEvent, eventOf, type LineageSource, type RunStart } from "../lineage/events.ts";

/** An entry as it would be stored, as far as lineage looks at it. */
export function entryOf(draft: EntryDraft & { readonly actor?: string }, seq: number): Entry {
  const time = new Date(Date.UTC(2026, 10, 28) + seq * 1000).toISOString();
  const zeros = "0".repeat(64);
  return { v: 1, host: "h", actor: "watchd", ...draft, seq, time, prev: zeros, hash: zeros };
}

/** `seq` is the place in the list, from 1. */
export function eventsOfDrafts(
  drafts: readonly (EntryDraft & { readonly actor?: string })[],
): readonly DataEvent[] {
  return drafts.flatMap((draft, index) => {
    const entry = entryOf(draft, index + 1);
    return eventOf(entry, JSON.stringify(entry)) ?? [];
  });
}

export interface MemorySource extends LineageSource {
  /** Events that all questions so far were answered with. */
  readonly given: () => number;
}

/** Answers from a list, as the ledger does from its indexes. */
export function memorySource(events: readonly DataEvent[], starts: readonly RunStart[] = []): MemorySource {
  let given = 0;
  return {
    given: () => given,
    find: async ({ kind, label, value, after, before, limit, begin }) => {
      const found = events.filter(
        (event) =>
          event.kind === kind &&
          (label === "run" ? event.activity.run : event[label]) === value &&
          event.seq > after &&
          event.seq < before,
      );
      const answer = (begin === "oldest" ? found : found.toReversed()).slice(0, limit);
      given += answer.length;
      return { events: answer, last: answer.length < limit ? null : (answer.at(-1)?.seq ?? null) };
    },
    runsOf: async () => ({ starts, complete: true }),
  };
}
