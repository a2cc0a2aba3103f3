import type { Entry } from "@daruma/ledger";
import type { Paint, Style } from "../cli/output.ts";
import { printable } from "../cli/render-error.ts";
import { isAboutUnit, tell } from "./tellers.ts";

export interface LineOptions {
  readonly paint: Paint;
  /** Whether the date is shown too; the time of day alone is enough for what happens now. */
  readonly date?: boolean;
}

/** One ledger entry as one line to read: when it happened (local time), what it is about, what happened. */
export function storyLine(entry: Entry, { paint, date = false }: LineOptions): string {
  const { text, good = false } = tell(entry);
  const late = entry.details.late === true ? " (recorded late)" : "";
  const line = oneLine(`${text}${late}`);
  const style = styleOf(entry, good);
  const about = isAboutUnit(entry.action) ? entry.subject : (entry.action.split(".")[0] ?? "");
  return `${paint("dim", moment(entry, date))}  ${oneLine(about).padEnd(12)}  ${style === null ? line : paint(style, line)}`;
}

function styleOf(entry: Entry, good: boolean): Style | null {
  if (good) return "green";
  switch (entry.details.severity) {
    case "critical":
      return "red";
    case "warning":
      return "yellow";
    default:
      return null;
  }
}

/** `at` is when it happened; `time`, when the ledger took it, may be much later. */
function moment(entry: Entry, date: boolean): string {
  const at = typeof entry.details.at === "string" ? new Date(entry.details.at) : new Date(entry.time);
  const known = Number.isNaN(at.getTime()) ? new Date(entry.time) : at;
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = `${two(known.getHours())}:${two(known.getMinutes())}:${two(known.getSeconds())}`;
  const time = `${clock}.${String(known.getMilliseconds()).padStart(3, "0")}`;
  if (!date) return time;
  return `${known.getFullYear()}-${two(known.getMonth() + 1)}-${two(known.getDate())} ${time}`;
}

function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, " "));
}
