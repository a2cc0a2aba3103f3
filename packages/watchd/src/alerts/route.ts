import { type AlertSeverity, alertSeverities } from "@daruma/config";
import type { Message, Notice } from "./notice.ts";
import { isHeld, rank } from "./quiet.ts";
import { type Draft, type Gathered, placeOf, sinkOf, type Unlisted } from "./state.ts";
import { keepsOneMore, unlistedLine } from "./unlisted.ts";

/* Which message a notice becomes, for each sink by itself: one of its own, a part of a digest, or none. */

/** A sink that has not been reached for this long is helped out by its fallback. In ms. */
export const fallbackAfterMs = 60_000;

/** Tells a sink, now or with others; and its fallback, if the sink is known not to be reached. */
export function admit(draft: Draft, sink: string, notice: Notice, insteadOf: string | null = null): void {
  const { alerts } = draft.setting;
  const config = alerts?.sinks[sink];
  if (alerts === null || config === undefined) return;
  const fellBack = config.fallback !== null && isUnreached(draft, sink);
  const place = placeOf(sink, notice.key);
  const gathered = draft.get("gathered", place);
  if (gathered !== undefined) gather(draft, place, notice, gathered, gathered.fellBack || fellBack);
  else if (mayGoNow(draft, sink, notice.severity)) letThrough(draft, sink, notice, { insteadOf, fellBack });
  else gather(draft, place, notice, null, fellBack);
  if (fellBack && config.fallback !== null) admit(draft, config.fallback, notice, insteadOf ?? sink);
}

/** Tells everybody who knows of it that it is over. That is never held back: it is at most one for each that was sent. */
export function announceEnd(draft: Draft, notice: Notice): void {
  for (const sink of knownSinks(draft)) {
    const place = placeOf(sink, notice.key);
    const known = draft.get("announced", place);
    const gathered = draft.get("gathered", place);
    if (gathered !== undefined && known === undefined) {
      const times = gathered.notice.times;
      draft.set("gathered", place, { ...gathered, notice: { ...notice, times } });
    } else if (gathered !== undefined) draft.set("gathered", place, null);
    if (known === undefined) continue;
    draft.set("announced", place, null);
    if (known === notice.key) enqueue(draft, sink, notice);
    else leaveDigest(draft, known, notice.at);
  }
}

/** Sends what was gathered, where its time has come. */
export function flush(draft: Draft, sink: string): void {
  const { alerts } = draft.setting;
  if (alerts === null) return;
  // While the sink does not take what is there, more is gathered into the same digest.
  if (draft.waitingFor(sink).length > 0) return;
  const { gathered, unlisted, since } = readyFor(draft, sink);
  if (since.length === 0 || draft.now < flushAt(draft, sink, since)) return;
  for (const [place] of gathered) draft.set("gathered", place, null);
  if (unlisted !== null) draft.setSink(sink, { unlisted: null });
  const notices = gathered.map(([, { notice }]) => notice);
  const [only] = notices;
  const fellBack =
    gathered.every(([, each]) => each.fellBack) && (unlisted === null || unlisted.fellBack >= unlisted.count);
  if (notices.length === 1 && only !== undefined && unlisted === null)
    letThrough(draft, sink, only, { insteadOf: null, fellBack });
  else sendDigest(draft, sink, notices, unlisted, fellBack);
}

/** What waits for a sink and is not held back by quiet hours, with when each began to wait. */
export function readyFor(
  draft: Draft,
  sink: string,
): {
  readonly gathered: readonly (readonly [place: string, Gathered])[];
  readonly unlisted: Unlisted | null;
  readonly since: readonly number[];
} {
  const quiet = draft.setting.alerts?.quiet ?? null;
  const gathered = draft
    .gatheredFor(sink)
    .entries()
    .filter(([, { notice }]) => !isHeld(quiet, notice.severity, draft.now));
  const all = draft.sink(sink).unlisted ?? null;
  const unlisted = all === null || isHeld(quiet, all.severity, draft.now) ? null : all;
  const since = gathered.map(([, each]) => each.since);
  return { gathered, unlisted, since: unlisted === null ? since : [...since, unlisted.since] };
}

/**
 * When what is gathered for a sink may be sent, if nothing else stands in its way.
 *
 * @param since when each began to wait
 */
export function flushAt(draft: Draft, sink: string, since: readonly number[]): number {
  const digest = draft.setting.alerts?.digest;
  if (digest === undefined) return Number.POSITIVE_INFINITY;
  const first = since.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY);
  const last = draft.sink(sink).lastDigestAt;
  const due = Math.max(first + digest.withinMs, last === null ? 0 : last + digest.everyMs);
  // A clock that was set back must not keep it for ever.
  return Math.min(due, draft.now + Math.max(digest.withinMs, digest.everyMs));
}

/** Sinks that are declared, and those that know of something. */
export function knownSinks(draft: Draft): readonly string[] {
  return [...new Set([...Object.keys(draft.setting.alerts?.sinks ?? {}), ...Object.keys(draft.state.sinks)])];
}

/** Whether what is sent to a sink now does not come through. */
export function isUnreached(draft: Draft, sink: string): boolean {
  const { denied, failingSince } = draft.sink(sink);
  return denied || (failingSince !== null && draft.now - failingSince >= fallbackAfterMs);
}

export function enqueue(
  draft: Draft,
  sink: string,
  notice: Notice,
  more: Partial<Pick<Message, "insteadOf" | "fellBack" | "members" | "count" | "unlisted" | "isTest">> = {},
): Message {
  const n = draft.count();
  const message: Message = {
    id: `${draft.state.epoch}-${n}`,
    n,
    sink,
    notice,
    members: [],
    count: 0,
    createdAt: draft.now,
    attempts: 0,
    status: "waiting",
    finishedAt: null,
    why: null,
    providerId: null,
    insteadOf: null,
    fellBack: false,
    isTest: false,
    ...more,
  };
  draft.set("messages", message.id, message);
  if (draft.get("sinks", sink) === undefined) draft.setSink(sink, {});
  return message;
}

function letThrough(
  draft: Draft,
  sink: string,
  notice: Notice,
  how: Pick<Message, "insteadOf" | "fellBack">,
): void {
  const place = placeOf(sink, notice.key);
  const known = draft.get("announced", place);
  if (known !== undefined && known !== notice.key) leaveDigest(draft, known, draft.now);
  enqueue(draft, sink, notice, how);
  if (notice.state === "open") draft.set("announced", place, notice.key);
  draft.setSink(sink, { recent: [...recentOf(draft, sink), draft.now] });
}

function gather(
  draft: Draft,
  place: string,
  notice: Notice,
  before: Gathered | null,
  fellBack: boolean,
): void {
  if (before === null && !keepsOneMore(draft, sinkOf(place), notice, fellBack)) return;
  const times = notice.times + (before?.notice.times ?? 0);
  draft.set("gathered", place, {
    notice: { ...notice, times },
    since: before?.since ?? draft.now,
    fellBack,
  });
}

function mayGoNow(draft: Draft, sink: string, severity: AlertSeverity): boolean {
  const { alerts } = draft.setting;
  if (alerts === null || isHeld(alerts.quiet, severity, draft.now)) return false;
  const { after } = alerts.digest;
  if (recentOf(draft, sink).length >= after || draft.waitingFor(sink).length >= after) return false;
  // What has to wait by the number of messages comes first; what waits for the morning does not.
  const gathered = draft.gatheredFor(sink);
  return alertSeverities.every((each) => !gathered.has(each) || isHeld(alerts.quiet, each, draft.now));
}

function recentOf(draft: Draft, sink: string): readonly number[] {
  const withinMs = draft.setting.alerts?.digest.withinMs ?? 0;
  return draft.sink(sink).recent.filter((at) => at <= draft.now && draft.now - at < withinMs);
}

function sendDigest(
  draft: Draft,
  sink: string,
  notices: readonly Notice[],
  unlisted: Unlisted | null,
  fellBack: boolean,
): void {
  const { host } = draft.setting;
  const sorted = [...notices].sort((a, b) => rank(b.severity) - rank(a.severity) || a.at - b.at);
  const open = sorted.filter(({ state }) => state === "open");
  const key = `${host}/digest/${draft.count()}`;
  const more = unlisted?.count ?? 0;
  const parts = [...tally(sorted), ...(more === 0 ? [] : [`${more} not listed`])];
  const worst = (open[0] ?? sorted[0])?.severity ?? unlisted?.severity ?? "info";
  const notice: Notice = {
    key,
    state: open.length > 0 ? "open" : "event",
    severity: worst,
    title: `${sorted.length + more} alerts: ${parts.join(", ")}`,
    details: more === 0 ? [] : [unlistedLine(more)],
    about: { kind: "host", name: host },
    incident: null,
    at: draft.now,
    times: 1,
  };
  const members = sorted.map((each) => ({ ...each, details: [] }));
  enqueue(draft, sink, notice, {
    members,
    count: members.length + more,
    ...(more === 0 ? {} : { unlisted: more }),
    fellBack,
  });
  for (const each of open) {
    const place = placeOf(sink, each.key);
    const known = draft.get("announced", place);
    if (known !== undefined && known !== each.key) leaveDigest(draft, known, draft.now);
    draft.set("announced", place, key);
  }
  if (open.length > 0) {
    draft.set("announced", placeOf(sink, key), key);
    draft.set("digests", key, { sink, open: open.length, count: open.length });
  }
  draft.setSink(sink, { lastDigestAt: draft.now });
}

/** "3 critical", "12 warning", "40 over again" */
function tally(notices: readonly Notice[]): readonly string[] {
  const words = notices.map(({ state, severity }) => (state === "over" ? "over again" : severity));
  return [...[...alertSeverities].reverse(), "over again"]
    .map((word) => [words.filter((each) => each === word).length, word] as const)
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`);
}

/** One of those that a digest was about is over; with the last of them, the digest is. */
function leaveDigest(draft: Draft, key: string, at: number): void {
  const digest = draft.get("digests", key);
  if (digest === undefined) return;
  if (digest.open > 1) {
    draft.set("digests", key, { ...digest, open: digest.open - 1 });
    return;
  }
  draft.set("digests", key, null);
  const { host } = draft.setting;
  announceEnd(draft, {
    key,
    state: "over",
    severity: "info",
    title: `all ${digest.count} alerts of the digest are over`,
    details: [],
    about: { kind: "host", name: host },
    incident: null,
    at,
    times: 1,
  });
}
