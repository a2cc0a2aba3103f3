import type { LedgerRecord } from "../policy/events.ts";
import { compare, dueAt, hear, review } from "./conditions.ts";
import { deliver, retryAt, settleAttempt } from "./deliver.ts";
import type { Heard } from "./effects.ts";
import type { Outcome } from "./notice.ts";
import { enqueue, fallbackAfterMs, flush, flushAt, knownSinks, readyFor } from "./route.ts";
import { type AlertsState, type Changes, Draft, type SendCommand, type Setting } from "./state.ts";

/*
 * The judgement about alerts: from what has happened to who is told, when, and in how many messages. Pure: no I/O, no
 * timers, no chance.
 */

export type AlertEvent =
  /** A watchd has begun: what was being sent may or may not have arrived, and is sent again. */
  | { readonly type: "boot" }
  /** Entries up to `n` of a source that numbers them; a source with another epoch has begun anew. */
  | {
      readonly type: "entries";
      readonly source: string;
      readonly epoch: string;
      readonly entries: readonly (Heard & { readonly n: number })[];
      /** Where to go on, also if nothing came of the entries before. */
      readonly upTo?: number;
    }
  /** The incidents of agents that are open, by the agents' names. */
  | { readonly type: "incidents"; readonly open: Readonly<Record<string, string>> }
  /** Since when the ledger takes no entries; null if it does. */
  | { readonly type: "ledger"; readonly away: boolean }
  | { readonly type: "attempted"; readonly sink: string; readonly message: string; readonly outcome: Outcome }
  /** A person wants to see whether these sinks work. */
  | { readonly type: "test"; readonly sinks: readonly string[]; readonly by: string; readonly id: string }
  | { readonly type: "tick" };

export interface Taken {
  readonly state: AlertsState;
  readonly changes: Changes;
  readonly commands: readonly SendCommand[];
  readonly records: readonly LedgerRecord[];
}

/** @param now Unix time in milliseconds */
export function stepAlerts(
  state: AlertsState,
  events: readonly AlertEvent[],
  setting: Setting,
  now: number,
): Taken {
  const draft = new Draft(state, setting, now);
  for (const event of events) take(draft, event);
  review(draft);
  for (const sink of knownSinks(draft)) flush(draft, sink);
  deliver(draft);
  return { state: draft.state, changes: draft.changes, commands: draft.commands, records: draft.records };
}

function take(draft: Draft, event: AlertEvent): void {
  switch (event.type) {
    case "boot":
      for (const sink of Object.keys(draft.state.sinks)) draft.setSink(sink, { inFlight: null });
      return;
    case "entries":
      takeEntries(draft, event);
      return;
    case "incidents":
      compare(draft, event.open);
      return;
    case "ledger":
      ledgerAway(draft, event.away);
      return;
    case "attempted":
      settleAttempt(draft, event.sink, event.message, event.outcome);
      return;
    case "test":
      for (const sink of event.sinks) test(draft, sink, event);
      return;
    case "tick":
  }
}

/** What was judged before is told again after a crash; it is known by its number. */
function takeEntries(
  draft: Draft,
  { source, epoch, entries, upTo }: Extract<AlertEvent, { type: "entries" }>,
): void {
  if (upTo !== undefined) draft.set("cursors", source, { epoch, n: upTo });
  const cursor = draft.get("cursors", source);
  const after = cursor?.epoch === epoch ? cursor.n : 0;
  const fresh = entries.filter(({ n }) => n > after);
  const last = fresh.at(-1);
  if (last === undefined) return;
  const { writes } = draft;
  hear(draft, fresh);
  // What nobody is told of need not be remembered: judged again, it comes to nothing again.
  if (draft.writes > writes) draft.set("cursors", source, { epoch, n: last.n });
}

function ledgerAway(draft: Draft, away: boolean): void {
  const at = draft.now;
  const entry = { subject: "ledgerd", at, details: {} };
  const known = draft.get("conditions", `${draft.setting.host}/ledger`) !== undefined;
  if (away !== known) hear(draft, [{ ...entry, action: away ? "ledger.away" : "ledger.back" }]);
}

/** @param id as the event has it */
export function testKey(host: string, id: string): string {
  return `${host}/test/${id}`;
}

function test(draft: Draft, sink: string, { by, id }: { readonly by: string; readonly id: string }): void {
  const { host } = draft.setting;
  const notice = {
    key: testKey(host, id),
    state: "event",
    severity: "info",
    title: `test alert from ${host}`,
    details: [`asked for by ${by}`, "Nothing is wrong: this is to see whether alerts arrive."],
    about: { kind: "host", name: host },
    incident: null,
    at: draft.now,
    times: 1,
  } as const;
  enqueue(draft, sink, notice, { isTest: true });
  // Who asks for a test wants to know now, whatever the sink has done before.
  draft.setSink(sink, { retryAt: null });
}

/** The clock is not asked when the quiet hours will end, but every minute whether they have. */
const quietLookMs = 60_000;

function flushTimes(draft: Draft, sink: string): readonly number[] {
  const { since } = readyFor(draft, sink);
  if (since.length > 0) return [flushAt(draft, sink, since)];
  const isHeldBack = draft.gatheredFor(sink).size > 0 || draft.sink(sink).unlisted != null;
  return isHeldBack ? [draft.now + quietLookMs] : [];
}

/** Unix ms at which the core has to be asked again; null if only events can change anything. */
export function nextWakeAt(state: AlertsState, setting: Setting, now: number): number | null {
  const { alerts } = setting;
  if (alerts === null) return null;
  const draft = new Draft(state, setting, now);
  const times: number[] = [];
  for (const condition of Object.values(state.conditions)) {
    const policy = alerts.agents[condition.about.name];
    if (condition.about.kind !== "agent" || condition.stage === "unresolved" || policy === undefined)
      continue;
    times.push(dueAt(condition, policy.afterMs));
  }
  for (const sink of knownSinks(draft)) {
    const retry = retryAt(draft, sink);
    if (retry !== null) times.push(retry);
    if (draft.waitingFor(sink).length === 0) times.push(...flushTimes(draft, sink));
    const { failingSince } = draft.sink(sink);
    if (failingSince !== null && failingSince + fallbackAfterMs > now)
      times.push(failingSince + fallbackAfterMs);
  }
  if (times.length === 0) return null;
  return times.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY);
}
