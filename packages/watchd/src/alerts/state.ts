import { own } from "@daruma/base";
import type { AlertSeverity, AlertsManifest } from "@daruma/config";
import type { LedgerRecord } from "../policy/events.ts";
import { GatheredIndex } from "./gathered-index.ts";
import type { Message, Notice } from "./notice.ts";

/**
 * Something that is wrong, from its first sign to its end.
 *
 * - `failing`: an agent has failed and is being recovered
 * - `escalated`: restarting was not enough
 * - `unresolved`: nothing that Daruma can do helps, or it takes too long
 */
export interface Condition {
  readonly key: string;
  readonly about: Notice["about"];
  readonly stage: "failing" | "escalated" | "unresolved";
  /** Whether anybody has been told of it. */
  readonly isOpen: boolean;
  readonly severity: AlertSeverity;
  readonly title: string;
  readonly details: readonly string[];
  readonly incident: string | null;
  /** The run of a routine that it is about. */
  readonly run: string | null;
  /** Unix time in milliseconds. */
  readonly since: number;
}

/** What waits to be told together. */
export interface Gathered {
  readonly notice: Notice;
  readonly since: number;
  readonly fellBack: boolean;
}

/** A message about several conditions, as long as one of them lasts. */
export interface Digest {
  readonly sink: string;
  readonly open: number;
  readonly count: number;
}

/** What is counted only, because more waits for a sink than is kept one by one. */
export interface Unlisted {
  readonly count: number;
  /** How many of them the fallback has been told of. */
  readonly fellBack: number;
  /** Of the worst of them. */
  readonly severity: AlertSeverity;
  /** Since when the first of them waits; Unix time in milliseconds. */
  readonly since: number;
}

export interface SinkState {
  /** Attempts that have failed since the last that did not. */
  readonly failures: number;
  readonly failingSince: number | null;
  /** Whether what fails is how the sink is set up. */
  readonly denied: boolean;
  readonly why: string | null;
  readonly retryAt: number | null;
  /** Id of the message that is being sent. */
  readonly inFlight: string | null;
  /** When the last messages were let through, as many as a digest allows. */
  readonly recent: readonly number[];
  readonly lastDigestAt: number | null;
  /** Missing in what an older release has written. */
  readonly unlisted?: Unlisted | null;
}

export const newSink: SinkState = {
  failures: 0,
  failingSince: null,
  denied: false,
  why: null,
  retryAt: null,
  inFlight: null,
  recent: [],
  lastDigestAt: null,
};

/** Up to where a source of entries has been judged. */
export interface Cursor {
  readonly epoch: string;
  readonly n: number;
}

/** All that alerts keep, in parts of which only what has changed is written. */
export interface Maps {
  readonly cursors: Readonly<Record<string, Cursor>>;
  readonly conditions: Readonly<Record<string, Condition>>;
  readonly messages: Readonly<Record<string, Message>>;
  /** By `placeOf`. */
  readonly gathered: Readonly<Record<string, Gathered>>;
  /** By `placeOf`: the key under which the sink knows the condition, its own or that of a digest. */
  readonly announced: Readonly<Record<string, string>>;
  readonly digests: Readonly<Record<string, Digest>>;
  readonly sinks: Readonly<Record<string, SinkState>>;
}

export interface AlertsState extends Maps {
  readonly schemaVersion: 1;
  /** Names this state for good. */
  readonly epoch: string;
  readonly counter: number;
}

export function initialAlerts(epoch: string): AlertsState {
  return {
    schemaVersion: 1,
    epoch,
    counter: 0,
    cursors: {},
    conditions: {},
    messages: {},
    gathered: {},
    announced: {},
    digests: {},
    sinks: {},
  };
}

/** Where a condition is known at a sink. Names of sinks have no space. */
export function placeOf(sink: string, key: string): string {
  return `${sink} ${key}`;
}

export function sinkOf(place: string): string {
  return place.slice(0, place.indexOf(" "));
}

/** What the current generation says. */
export interface Setting {
  readonly host: string;
  /** Null where nobody is told of anything. */
  readonly alerts: AlertsManifest | null;
}

export type MapName = keyof Maps;
type Value<K extends MapName> = Maps[K][string];

/** Entries that have changed; null for those that are gone. */
export type Changes = { readonly [K in MapName]?: Readonly<Record<string, Value<K> | null>> };

export interface SendCommand {
  readonly sink: string;
  readonly message: Message;
}

/** One step under way: the state as it becomes, and what has changed. */
export class Draft {
  readonly setting: Setting;
  /** Unix time in milliseconds. */
  readonly now: number;
  readonly records: LedgerRecord[] = [];
  readonly commands: SendCommand[] = [];
  readonly #changes: { [K in MapName]?: Record<string, unknown> } = {};
  #state: AlertsState;
  #writes = 0;
  /** By sink; made when it is first asked for. */
  #gathered: Map<string, GatheredIndex> | null = null;

  constructor(state: AlertsState, setting: Setting, now: number) {
    this.#state = state;
    this.setting = setting;
    this.now = now;
  }

  get state(): AlertsState {
    return this.#state;
  }

  /** Grows with each change. */
  get writes(): number {
    return this.#writes;
  }

  get changes(): Changes {
    return this.#changes as Changes;
  }

  get<K extends MapName>(map: K, key: string): Value<K> | undefined {
    const entries = this.#state[map] as Readonly<Record<string, Value<K>>>;
    return own(entries, key);
  }

  set<K extends MapName>(map: K, key: string, value: Value<K> | null): void {
    this.#writes += 1;
    let changed = this.#changes[map];
    if (changed === undefined) {
      // Copied once for each step: what came in stays as it was.
      changed = {};
      this.#changes[map] = changed;
      this.#state = { ...this.#state, [map]: { ...this.#state[map] } };
    }
    changed[key] = value;
    if (map === "gathered") {
      const before = this.#state.gathered[key];
      if (this.#gathered !== null)
        indexOf(this.#gathered, sinkOf(key)).set(key, before, value as Gathered | null);
    }
    const entries = this.#state[map] as Record<string, unknown>;
    if (value === null) delete entries[key];
    else entries[key] = value;
  }

  sink(name: string): SinkState {
    return this.get("sinks", name) ?? newSink;
  }

  setSink(name: string, change: Partial<SinkState>): void {
    this.set("sinks", name, { ...this.sink(name), ...change });
  }

  count(): number {
    this.#state = { ...this.#state, counter: this.#state.counter + 1 };
    return this.#state.counter;
  }

  /** What is gathered for a sink. */
  gatheredFor(sink: string): GatheredIndex {
    if (this.#gathered === null) {
      this.#gathered = new Map();
      for (const [place, gathered] of Object.entries(this.#state.gathered))
        indexOf(this.#gathered, sinkOf(place)).set(place, undefined, gathered);
    }
    return indexOf(this.#gathered, sink);
  }

  /** What waits for a sink, in order. */
  waitingFor(sink: string): readonly Message[] {
    return Object.values(this.#state.messages)
      .filter((message) => message.sink === sink && message.status === "waiting")
      .sort((a, b) => a.n - b.n);
  }
}

function indexOf(indexes: Map<string, GatheredIndex>, sink: string): GatheredIndex {
  let index = indexes.get(sink);
  if (index === undefined) {
    index = new GatheredIndex();
    indexes.set(sink, index);
  }
  return index;
}

export function applyChanges(state: AlertsState, changes: Changes, counter: number): AlertsState {
  const next: Record<string, unknown> = { ...state, counter };
  for (const [map, changed] of Object.entries(changes)) {
    const entries: Record<string, unknown> = { ...state[map as MapName] };
    for (const [key, value] of Object.entries(changed)) {
      if (value === null) delete entries[key];
      else entries[key] = value;
    }
    next[map] = entries;
  }
  return next as unknown as AlertsState;
}
