import { readFileSync } from "node:fs";
import type { SourcePlace } from "@daruma/base";
import { placeOf } from "./text-place.ts";

/** A place that somebody else found (a compiler, Node), with the word that is there and the lines around. */
export function placeInFile(file: string, line: number, column: number): SourcePlace {
  const content = readIfThere(file);
  if (content === undefined) return { file, line, column, endLine: line, endColumn: column + 1 };
  const start = content
    .split("\n")
    .slice(0, line - 1)
    .reduce((sum, each) => sum + each.length + 1, 0);
  const offset = start + column - 1;
  const word = /^[\w$]+|^(["'`]).*?\1/.exec(content.slice(offset))?.[0] ?? " ";
  return { file, ...placeOf(content, { start: offset, end: offset + word.length }) };
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
