import type { Problem } from "@daruma/base";
import { lastInstant } from "./cron.ts";

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const leastMs = 1000;
const mostMs = 366 * unitMs.d;

export type ParsedInterval =
  | { readonly ok: true; readonly everyMs: number }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads `@every 15m`: a whole number of s, m, h or d, from one second to 366 days. */
export function parseInterval(text: string): ParsedInterval {
  const parts = /^@every\s+(\d{1,9})(s|m|h|d)$/i.exec(text.trim());
  if (parts === null) return wrong('needs a duration in s, m, h or d, such as "@every 15m"');
  const everyMs = Number(parts[1]) * unitMs[String(parts[2]).toLowerCase() as keyof typeof unitMs];
  if (everyMs < leastMs || everyMs > mostMs) return wrong("must be at least 1s and at most 366d");
  return { ok: true, everyMs };
}

/**
 * The first multiple of `everyMs` after `after`, counted from 1970-01-01T00:00Z: nothing has to be remembered for the rhythm
 * to go on where it was. Null after the year 9999.
 */
export function nextMultiple(everyMs: number, after: number): number | null {
  const next = (Math.floor(after / everyMs) + 1) * everyMs;
  return next > lastInstant ? null : next;
}

function wrong(message: string): ParsedInterval {
  return { ok: false, problems: [{ path: "expression", message }] };
}
