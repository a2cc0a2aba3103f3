import type { SourcePlace } from "@daruma/base";
import type { Span } from "./instrument.ts";
import { maskSecrets } from "./mask.ts";

/** How many lines an excerpt shows before and behind the line that it is about. */
const context = 1;

/** An excerpt is for a terminal: of a longer line it has the beginning. */
const maxLine = 200;

/** Where offsets of a text are, in lines and columns, with the lines around. */
export function placeOf(text: string, span: Span): Omit<SourcePlace, "file"> {
  const start = positionOf(text, span.start);
  const end = positionOf(text, Math.max(span.start, span.end));
  const lines = text.split(/\r?\n/);
  const firstLine = Math.max(1, start.line - context);
  const shown = lines.slice(firstLine - 1, start.line + context);
  return {
    ...start,
    endLine: end.line,
    endColumn: end.column,
    excerpt: { firstLine, lines: shown.map((line) => maskSecrets(line).slice(0, maxLine)) },
  };
}

export function positionOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
