import { createHash } from "node:crypto";
import type { Message, Notice, Outcome } from "./notice.ts";
import { admit, announceEnd, enqueue, isUnreached, knownSinks } from "./route.ts";
import { type Draft, placeOf } from "./state.ts";
import { fallBackUnlisted } from "./unlisted.ts";

/* What becomes of messages: sent, tried again, handed to the fallback as well, or given up. */

const firstRetryMs = 5_000;
const longestRetryMs = 300_000;
/** A service that asks for more patience than this is asked again all the same. */
export const longestRetryAfterMs = 3_600_000;
/** How many messages that are over are remembered, to be listed. */
const remembered = 100;
const notDeclared = "the sink is not declared any more";

/** Takes the end of an attempt into account. One that nobody waits for any more says nothing. */
export function settleAttempt(draft: Draft, sink: string, id: string, outcome: Outcome): void {
  const message = draft.get("messages", id);
  if (draft.sink(sink).inFlight === id) draft.setSink(sink, { inFlight: null });
  if (message === undefined || message.status !== "waiting") return;
  switch (outcome.kind) {
    case "sent":
      restored(draft, sink);
      finish(draft, { ...message, status: "sent", providerId: outcome.providerId, why: null });
      return;
    case "refused":
      restored(draft, sink);
      fallBack(draft, message);
      finish(draft, { ...message, status: "failed", why: outcome.why });
      return;
    case "denied":
      failed(draft, message, outcome.why, longestRetryMs, true);
      return;
    case "later":
      failed(draft, message, outcome.why, outcome.retryAfterMs ?? 0, false);
  }
}

/** Gives up what is too old, hands to fallbacks what does not come through, and sends what can be sent. */
export function deliver(draft: Draft): void {
  const { alerts } = draft.setting;
  for (const sink of knownSinks(draft)) {
    const config = alerts?.sinks[sink];
    for (const message of draft.waitingFor(sink)) {
      if (draft.sink(sink).inFlight === message.id) continue;
      if (config === undefined) finish(draft, { ...message, status: "failed", why: notDeclared });
      else if (alerts !== null && draft.now - message.createdAt > alerts.giveUpMs) {
        const why = `given up after ${message.attempts} attempts: ${message.why ?? "it was never tried"}`;
        finish(draft, { ...message, status: "failed", why });
      } else if (config.fallback !== null && isUnreached(draft, sink)) fallBack(draft, message);
    }
    if (config === undefined) forget(draft, sink);
    else {
      if (config.fallback !== null && isUnreached(draft, sink))
        fallBackGathered(draft, sink, config.fallback);
      dropOld(draft, sink);
      send(draft, sink);
    }
  }
  trim(draft);
}

/** When the next attempt of a sink is due; null while one is under way or nothing waits. */
export function retryAt(draft: Draft, sink: string): number | null {
  const { inFlight, retryAt: at } = draft.sink(sink);
  if (inFlight !== null || draft.waitingFor(sink).length === 0) return null;
  // A clock that was set back must not put it off for longer than any delay is.
  return at === null ? draft.now : Math.min(at, draft.now + longestRetryAfterMs);
}

function send(draft: Draft, sink: string): void {
  const at = retryAt(draft, sink);
  const [message] = draft.waitingFor(sink);
  if (message === undefined || at === null || at > draft.now) return;
  const tried = { ...message, attempts: message.attempts + 1 };
  draft.set("messages", message.id, tried);
  draft.setSink(sink, { inFlight: message.id, retryAt: null });
  draft.commands.push({ sink, message: tried });
}

function failed(draft: Draft, message: Message, why: string, leastMs: number, denied: boolean): void {
  const { sink } = message;
  const before = draft.sink(sink);
  const failures = before.failures + 1;
  const delayMs = Math.max(delayOf(message.id, failures), Math.min(leastMs, longestRetryAfterMs));
  draft.set("messages", message.id, { ...message, why });
  draft.setSink(sink, {
    failures,
    denied,
    why,
    failingSince: before.failingSince ?? draft.now,
    retryAt: draft.now + delayMs,
  });
  if (before.failingSince !== null && before.denied === denied) return;
  draft.records.push({
    action: "alert.delayed",
    subject: sink,
    at: draft.now,
    severity: "warning",
    details: { message: message.id, key: message.notice.key, why, retryInMs: delayMs, denied },
  });
}

/** Doubles up to five minutes, less up to a fifth: the same message at the same attempt waits as long. In ms. */
export function delayOf(id: string, failures: number): number {
  const full = Math.min(firstRetryMs * 2 ** Math.min(failures - 1, 20), longestRetryMs);
  const share = createHash("sha256").update(`${id} ${failures}`).digest().readUInt16BE() / 65_536;
  return Math.round(full * (1 - share * 0.2));
}

function restored(draft: Draft, sink: string): void {
  const { failures, failingSince } = draft.sink(sink);
  draft.setSink(sink, { failures: 0, failingSince: null, denied: false, why: null, retryAt: null });
  if (failingSince === null) return;
  draft.records.push({
    action: "alert.restored",
    subject: sink,
    at: draft.now,
    severity: "info",
    details: { failures, afterMs: Math.max(0, draft.now - failingSince) },
  });
}

function finish(draft: Draft, message: Message): void {
  const { notice, sink } = message;
  draft.set("messages", message.id, { ...message, members: [], finishedAt: draft.now });
  // Whoever was not told of it is not told of its end either.
  const place = placeOf(sink, notice.key);
  if (message.status === "failed" && notice.state === "open" && draft.get("announced", place) === notice.key)
    draft.set("announced", place, null);
  const sent = message.status === "sent";
  draft.records.push({
    action: sent ? "alert.sent" : "alert.failed",
    subject: sink,
    ...(notice.incident === null ? {} : { incident: notice.incident }),
    at: draft.now,
    severity: sent ? "info" : "warning",
    details: {
      message: message.id,
      key: notice.key,
      state: message.isTest ? "test" : notice.state,
      title: notice.title,
      attempts: message.attempts,
      ...(message.count === 0 ? {} : { members: message.count }),
      ...(message.unlisted === undefined ? {} : { unlisted: message.unlisted }),
      ...(message.insteadOf === null ? {} : { insteadOf: message.insteadOf }),
      ...(message.providerId === null ? {} : { providerId: message.providerId }),
      ...(sent ? {} : { why: message.why ?? "" }),
    },
  });
}

/** The fallback is told of what begins and happens; of an end, if it was told of the beginning, it hears anyway. */
function fallBack(draft: Draft, message: Message): void {
  const fallback = draft.setting.alerts?.sinks[message.sink]?.fallback ?? null;
  if (fallback === null || message.fellBack || message.isTest) return;
  draft.set("messages", message.id, { ...message, fellBack: true });
  if (message.notice.state === "over") return;
  const insteadOf = message.insteadOf ?? message.sink;
  const { notice } = message;
  if (message.count === 0) admit(draft, fallback, notice, insteadOf);
  else {
    if (notice.state === "open") draft.set("announced", placeOf(fallback, notice.key), notice.key);
    const { members, count, unlisted } = message;
    const more = unlisted === undefined ? {} : { unlisted };
    enqueue(draft, fallback, notice, { insteadOf, members, count, ...more });
  }
  // It may have been over before the fallback was turned to; nobody would tell it later.
  const isOver =
    message.count === 0
      ? draft.get("conditions", notice.key)?.isOpen !== true
      : draft.get("digests", notice.key) === undefined;
  if (notice.state === "open" && isOver) announceEnd(draft, endOf(notice, draft.now));
}

function endOf(notice: Notice, at: number): Notice {
  const title = `${notice.about.name}: it is over`;
  return { ...notice, state: "over", severity: "info", title, details: [], at, times: 1 };
}

function fallBackGathered(draft: Draft, sink: string, fallback: string): void {
  for (const [place, gathered] of draft.gatheredFor(sink).entries()) {
    if (gathered.fellBack) continue;
    draft.set("gathered", place, { ...gathered, fellBack: true });
    if (gathered.notice.state !== "over") admit(draft, fallback, gathered.notice, sink);
  }
  fallBackUnlisted(draft, sink, fallback);
}

function dropOld(draft: Draft, sink: string): void {
  const giveUpMs = draft.setting.alerts?.giveUpMs ?? 0;
  const { failingSince, why } = draft.sink(sink);
  if (failingSince === null) return;
  giveUpGathered(draft, sink, giveUpMs, `given up: ${why ?? "the sink was not reached"}`);
}

/** @param forMs how long what is given up has waited at least, in ms */
function giveUpGathered(draft: Draft, sink: string, forMs: number, why: string): void {
  const give = (notice: Pick<Notice, "key" | "state" | "title">, more: { readonly unlisted?: number }) =>
    draft.records.push({
      action: "alert.failed",
      subject: sink,
      at: draft.now,
      severity: "warning",
      details: {
        message: "",
        key: notice.key,
        state: notice.state,
        title: notice.title,
        attempts: 0,
        ...more,
        why,
      },
    });
  for (const [place, { notice, since }] of draft.gatheredFor(sink).entries()) {
    if (draft.now - since <= forMs) continue;
    draft.set("gathered", place, null);
    give(notice, {});
  }
  const { unlisted } = draft.sink(sink);
  if (unlisted == null || draft.now - unlisted.since <= forMs) return;
  draft.setSink(sink, { unlisted: null });
  const title = `${unlisted.count} alerts that were not kept one by one`;
  give({ key: `${draft.setting.host}/unlisted`, state: "event", title }, { unlisted: unlisted.count });
}

/** A sink that is gone knows of nothing any more. */
function forget(draft: Draft, sink: string): void {
  if (draft.sink(sink).inFlight !== null) return;
  giveUpGathered(draft, sink, Number.NEGATIVE_INFINITY, notDeclared);
  for (const place of Object.keys(draft.state.announced)) {
    if (place.startsWith(placeOf(sink, ""))) draft.set("announced", place, null);
  }
  for (const [key, digest] of Object.entries(draft.state.digests)) {
    if (digest.sink === sink) draft.set("digests", key, null);
  }
  draft.set("sinks", sink, null);
}

function trim(draft: Draft): void {
  const over = Object.values(draft.state.messages).filter(({ status }) => status !== "waiting");
  if (over.length <= remembered) return;
  over.sort((a, b) => a.n - b.n);
  for (const { id } of over.slice(0, over.length - remembered)) draft.set("messages", id, null);
}
