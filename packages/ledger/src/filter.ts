import { type EntryLabels, isLabel, isTime } from "./entry.ts";

/** Labels that entries are found by, each with an index of its own. */
export const labelNames = ["action", "actor", "subject", "incident", "run"] as const;

export type LabelName = (typeof labelNames)[number];

/** Which entries are asked for. Everything that is given must hold. */
export interface EntryFilter {
  /** RFC 3339 as in the entries, both inclusive. What counts is the entry's own time. */
  readonly since?: string;
  readonly until?: string;
  /** The whole action, or its beginning followed by `*`. */
  readonly action?: string;
  readonly actor?: string;
  readonly subject?: string;
  readonly incident?: string;
  readonly run?: string;
}

export const filterNames = ["since", "until", ...labelNames] as const;

export function isFiltered(filter: EntryFilter): boolean {
  return filterNames.some((name) => filter[name] !== undefined);
}

export function matches(entry: EntryLabels & { readonly time: string }, filter: EntryFilter): boolean {
  return isWithin(entry.time, filter) && labelNames.every((name) => matchesLabel(name, entry, filter));
}

export function isWithin(time: string, { since, until }: EntryFilter): boolean {
  return (since === undefined || time >= since) && (until === undefined || time <= until);
}

/** What an action must begin with; `null` if the filter asks for a whole one. */
export function actionPrefix(action: string): string | null {
  return action.endsWith("*") ? action.slice(0, -1) : null;
}

/** The message for a value that no entry could ever match, or null. */
export function faultOfFilter(name: keyof EntryFilter, value: string): string | null {
  const isOfTime = name === "since" || name === "until";
  if (isOfTime) return isTime(value) ? null : `${name} must be RFC 3339 in UTC with milliseconds`;
  return isLabel(value) ? null : `${name} must be 1 to 256 characters without control characters`;
}

function matchesLabel(name: LabelName, entry: EntryLabels, filter: EntryFilter): boolean {
  const wanted = filter[name];
  if (wanted === undefined) return true;
  const prefix = name === "action" ? actionPrefix(wanted) : null;
  return prefix === null ? entry[name] === wanted : entry.action.startsWith(prefix);
}
