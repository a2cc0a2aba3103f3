import type { EntryFilter, ReadOptions, StoredEntry } from "@daruma/ledger";
import { collectEntries } from "../story/collect.ts";
import { eventOf, type LineageSource, type RunStart } from "./events.ts";
import { lookback } from "./lookup.ts";

export interface LedgerSourceOptions {
  readonly socket: string;
  /** Only entries up to this one count: what comes while this runs is for the next time. */
  readonly last: number;
  readonly signal: AbortSignal;
}

/** Lineage from a running ledgerd, which answers from its indexes. Throws what readEntries throws. */
export function ledgerSource({ socket, last, signal }: LedgerSourceOptions): LineageSource {
  const read = async (filter: EntryFilter, range: Omit<ReadOptions, "socket" | "filter" | "signal">) => {
    const before = Math.min(range.before ?? last + 1, last + 1);
    return before < 1 ? [] : await collectEntries({ ...range, socket, signal, filter, before });
  };
  return {
    find: async ({ kind, label, value, after, before, limit, begin }) => {
      const filter = { action: `data.${kind}`, [label]: value };
      const count = begin === "oldest" ? { limit } : { newest: limit };
      const found = await read(filter, { after, before, ...count });
      const events = found.flatMap(({ entry, line }) => eventOf(entry, line) ?? []);
      const [oldest, newest] = [found[0], found.at(-1)];
      const last = (begin === "oldest" ? newest : oldest)?.entry.seq ?? null;
      return {
        events: begin === "oldest" ? events : events.toReversed(),
        last: found.length < limit ? null : last,
      };
    },
    runsOf: async (generation) => await runsOf(read, generation),
  };
}

type Read = (
  filter: EntryFilter,
  range: Omit<ReadOptions, "socket" | "filter" | "signal">,
) => Promise<readonly StoredEntry[]>;

/**
 * An agent's start says in which generation it was. It is recorded after the switch before that of its generation, and before the
 * switch after it; so the switches lead to where to look.
 */
async function runsOf(read: Read, generation: number): ReturnType<LineageSource["runsOf"]> {
  const switches = await read({ action: "generation.switch" }, { newest: lookback });
  const starts: RunStart[] = [];
  let complete = switches.length < lookback;
  for (const [index, { entry }] of switches.entries()) {
    if (entry.details.number !== generation) continue;
    const after = switches[index - 1]?.entry.seq ?? 0;
    const before = switches[index + 1]?.entry.seq;
    const range = { after, limit: lookback, ...(before === undefined ? {} : { before }) };
    const found = await read({ action: "agent.start" }, range);
    if (found.length === lookback) complete = false;
    starts.push(...found.flatMap((stored) => startOf(stored, generation)));
  }
  const byRun = new Map(starts.map((start) => [start.run, start]));
  return { starts: [...byRun.values()], complete };
}

function startOf({ entry, line }: StoredEntry, generation: number): readonly RunStart[] {
  const { run, subject: agent, seq, time, details } = entry;
  return run === undefined || details.generation !== generation ? [] : [{ run, agent, seq, time, line }];
}
