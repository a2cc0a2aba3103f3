import type { Notice } from "./notice.ts";
import { rank } from "./quiet.ts";
import { type Draft, placeOf } from "./state.ts";

/* What becomes of alerts when more wait for a sink than are kept one by one: the worst are kept, the others are counted. */

/** How many are kept for one sink. What each is about is in the ledger in any case. */
export const mostGathered = 5_000;

/**
 * Makes room for one more that a sink is to be told of later. Where there is none, the least severe of all is counted only.
 *
 * @returns whether the new one is to be kept
 */
export function keepsOneMore(draft: Draft, sink: string, notice: Notice, fellBack: boolean): boolean {
  const gathered = draft.gatheredFor(sink);
  const found = gathered.size < mostGathered ? undefined : gathered.least;
  if (found === undefined) return true;
  const [place, least] = found;
  if (rank(least.notice.severity) >= rank(notice.severity)) {
    countUnlisted(draft, sink, notice, { count: notice.times, fellBack: fellBack ? notice.times : 0 });
    return false;
  }
  const { times } = least.notice;
  draft.set("gathered", place, null);
  countUnlisted(draft, sink, least.notice, { count: times, fellBack: least.fellBack ? times : 0 });
  return true;
}

/** Hands to a fallback how many it has not heard of. */
export function fallBackUnlisted(draft: Draft, sink: string, fallback: string): void {
  const { unlisted } = draft.sink(sink);
  if (unlisted == null || unlisted.fellBack >= unlisted.count) return;
  draft.setSink(sink, { unlisted: { ...unlisted, fellBack: unlisted.count } });
  const { severity } = unlisted;
  const notice = { severity, key: placeOf(sink, "unlisted"), title: `not listed for ${sink} either` };
  countUnlisted(draft, fallback, notice, { count: unlisted.count - unlisted.fellBack, fellBack: 0 });
}

/** What a digest says of them. */
export function unlistedLine(count: number): string {
  return `… and ${count.toLocaleString("en")} more, which were too many to keep one by one; the ledger has what each was about`;
}

function countUnlisted(
  draft: Draft,
  sink: string,
  { severity, key, title }: Pick<Notice, "severity" | "key" | "title">,
  more: { readonly count: number; readonly fellBack: number },
): void {
  const before = draft.sink(sink).unlisted ?? { count: 0, fellBack: 0, severity, since: draft.now };
  draft.setSink(sink, {
    unlisted: {
      count: before.count + more.count,
      fellBack: before.fellBack + more.fellBack,
      severity: rank(severity) > rank(before.severity) ? severity : before.severity,
      since: before.since,
    },
  });
  if (before.count > 0) return;
  draft.records.push({
    action: "alert.unlisted",
    subject: sink,
    at: draft.now,
    severity: "warning",
    details: { key, title, kept: mostGathered },
  });
}
