import type { Problem, SourcePlace } from "@daruma/base";
import type { Paint } from "./output.ts";
import { printable } from "./printable.ts";

/**
 * One problem, as lines for a person: on one line where only its path is known, with a code frame where its place is. An empty
 * message has been told already.
 *
 * @param others how many more say the same about the same place
 */
export function renderProblem(problem: Problem, others: number, paint: Paint): string {
  const { path, message, code, place } = problem;
  const more = others === 0 ? "" : ` (and ${others} more like it from here)`;
  // A compiler knows no path but the file, which is what the place begins with.
  const subject = path === place?.file ? "" : `${paint("bold", printable(path))}: `;
  const what = `${subject}${printable(message)}${more}`;
  if (place === undefined) return `  - ${code === undefined ? "" : `${paint("red", code)} `}${what}`;
  const at = `${printable(place.file)}:${place.line}:${place.column}`;
  const { usedAt, note } = place;
  return [
    "",
    `${paint("cyan", at)}${code === undefined ? "" : ` ${paint("red", code)}`}`,
    ...(what === "" ? [] : [`  ${what}`]),
    ...frame(place, paint),
    ...(note === undefined ? [] : [`  note: ${printable(note)}`]),
    ...(usedAt === undefined ? [] : [`  used at ${printable(usedAt.file)}:${usedAt.line}:${usedAt.column}`]),
  ].join("\n");
}

/** The lines around a place, with a mark under what it is about; of a place of several lines, under the first. */
function frame(place: SourcePlace, paint: Paint): string[] {
  const { excerpt } = place;
  if (excerpt === undefined) return [];
  const width = String(excerpt.firstLine + excerpt.lines.length - 1).length;
  return excerpt.lines.flatMap((text, index) => {
    const number = excerpt.firstLine + index;
    const shown = printable(text);
    const gutter = `${number === place.line ? ">" : " "} ${String(number).padStart(width)} |`;
    if (number !== place.line) return [`  ${paint("dim", gutter)} ${shown}`.trimEnd()];
    const until = place.endLine === place.line ? place.endColumn : text.length + 1;
    // What is in front is kept as blank as it is wide: a tab stays a tab.
    const blank = text.slice(0, place.column - 1).replaceAll(/[^\t]/g, " ");
    const mark = "^".repeat(Math.max(1, Math.min(until, text.length + 1) - place.column));
    const under = `  ${paint("dim", `  ${" ".repeat(width)} |`)} ${blank}${paint(["bold", "red"], mark)}`;
    return [`  ${paint("dim", gutter)} ${shown}`, under];
  });
}
