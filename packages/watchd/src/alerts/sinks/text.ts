import type { Message, Notice } from "../notice.ts";

/* A message as text. Services count differently (bytes, UTF-16 units, characters); all cuts here are safe for each. */

/** At most `most` UTF-16 units, never half a character; what is cut ends in an ellipsis. */
export function cut(text: string, most: number): string {
  const whole = text.toWellFormed();
  if (whole.length <= most) return whole;
  return `${whole.slice(0, Math.max(0, most - 1)).replace(/[\ud800-\udbff]$/, "")}…`.slice(0, most);
}

/** At most `most` bytes of UTF-8, of which the ellipsis is three. */
export function cutBytes(text: string, most: number): string {
  const whole = text.toWellFormed();
  if (Buffer.byteLength(whole) <= most) return whole;
  let short = "";
  let bytes = 3;
  for (const character of whole) {
    bytes += Buffer.byteLength(character);
    if (bytes > most) break;
    short += character;
  }
  return `${short}…`;
}

/** One line: what it is, where, and what has happened. */
export function headline({ notice, isTest }: Message, host: string): string {
  return `${isTest ? "TEST" : wordOf(notice)} ${host}: ${notice.title}`;
}

/** What is below it, a line each. None is blank: services refuse a text that is nothing but blanks. */
export function body(message: Message): readonly string[] {
  const { notice, members, insteadOf } = message;
  return [
    ...notice.details.filter((line) => line.trim() !== ""),
    ...members.map(memberLine),
    ...(notice.times > 1 ? [`${notice.times} times`] : []),
    ...(notice.incident === null ? [] : [`incident ${notice.incident}`]),
    ...(insteadOf === null ? [] : [`sent here because ${insteadOf} could not be reached`]),
  ];
}

/** As many whole lines as fit into `most` UTF-16 units, and how many do not. */
export function fitLines(lines: readonly string[], most: number): string {
  const kept: string[] = [];
  let used = 0;
  for (const [index, line] of lines.entries()) {
    const rest = lines.length - index;
    const more = `… and ${rest} more: agentctl alert list`;
    const room = rest === 1 ? most : most - more.length - 1;
    const short = cut(line, Math.max(0, Math.min(1_000, most)));
    if (used + short.length + (kept.length > 0 ? 1 : 0) > room) {
      if (used + more.length + 1 <= most) kept.push(more);
      break;
    }
    kept.push(short);
    used += short.length + (kept.length > 1 ? 1 : 0);
  }
  return kept.join("\n");
}

export function wordOf({ state, severity }: Notice): string {
  if (state === "over") return "OVER";
  return state === "event" && severity === "info" ? "INFO" : severity.toUpperCase();
}

function memberLine(notice: Notice): string {
  const times = notice.times > 1 ? ` (${notice.times} times)` : "";
  return `${wordOf(notice)} ${notice.title}${times}`;
}
