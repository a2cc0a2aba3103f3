import { inspect } from "node:util";
import { messageOf } from "@daruma/base";
import type { FailedImport } from "./module-trace.ts";
import type { Failure, Place } from "./report.ts";

/** What is known of an evaluation that failed, besides the error itself. */
export interface FailureContext {
  /** The user's files. Frames of a stack in any other file are ours or Node's. */
  readonly files: ReadonlySet<string>;
  readonly failedImport: FailedImport | undefined;
  readonly lastFile: string | undefined;
  readFile(path: string): string | undefined;
  /** Finds the place of a syntax error for which Node gives none. */
  locateSyntaxError(file: string): Place;
}

/** Says in the user's terms why evaluating the fleet file failed, and where in their own files. */
export function explainFailure(error: unknown, context: FailureContext): Failure {
  const { failedImport } = context;
  if (failedImport !== undefined) return explainImport(failedImport, messageOf(error), context);
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const frame = userFrame(stack, context.files);
  if (error instanceof SyntaxError && frame === undefined) return explainSyntax(error, stack, context);
  const what = error instanceof Error ? `${error.name}: ${error.message}` : inspect(error, { depth: 1 });
  return {
    code: "COMPILE_E_CONFIG_THREW",
    message: `the fleet file threw ${shorten(what)}`,
    ...(frame === undefined ? {} : { place: frame }),
  };
}

function explainSyntax(error: SyntaxError, stack: string, context: FailureContext): Failure {
  const missing = /^The requested module '(.*)' does not provide an export named '(.*)'/s.exec(error.message);
  const place = headPlace(stack) ?? (context.lastFile && context.locateSyntaxError(context.lastFile));
  const at = place ? { place } : {};
  if (missing !== null) {
    const message = `"${missing[1]}" has no export named ${missing[2]}`;
    return { code: "COMPILE_E_CONFIG_IMPORT", message, ...at };
  }
  return {
    code: "COMPILE_E_CONFIG_SYNTAX",
    message: `the file does not parse: ${shorten(error.message)}`,
    ...at,
  };
}

function explainImport(failed: FailedImport, reason: string, context: FailureContext): Failure {
  const { specifier, importer } = failed;
  const text = importer === undefined ? undefined : context.readFile(importer);
  return {
    code: "COMPILE_E_CONFIG_IMPORT",
    message: `"${specifier}" cannot be imported: ${shorten(reason)}`,
    ...(importer === undefined ? {} : { place: { file: importer, ...findSpecifier(text ?? "", specifier) } }),
  };
}

/** Where a module's text names a specifier for the first time. */
function findSpecifier(text: string, specifier: string): { line: number; column: number } | undefined {
  const found = ['"', "'", "`"].map((quote) => text.indexOf(`${quote}${specifier}${quote}`));
  const offset = Math.min(...found.filter((index) => index >= 0));
  if (!Number.isFinite(offset)) return undefined;
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** The place that Node writes above the message of errors in a file's syntax: `/file:LINE`, the line, a caret. */
export function headPlace(stack: string): Place | undefined {
  const head = /^(?:file:\/\/)?(\/[^\n]*|\[stdin\]):(\d+)\n/.exec(stack);
  const [, file, line] = head ?? [];
  if (file === undefined || line === undefined) return undefined;
  const caret = stack.split("\n").find((text) => /^\s*\^+\s*$/.test(text));
  const column = caret === undefined ? {} : { column: caret.indexOf("^") + 1 };
  return { file: decode(file), line: Number(line), ...column };
}

/** The innermost frame of a stack that is in one of the user's files. */
function userFrame(stack: string, files: ReadonlySet<string>): Place | undefined {
  for (const frame of stack.split("\n")) {
    const [, file, line, column] = /^ +at (?:.*\()?(?:file:\/\/)?(\/.*):(\d+):(\d+)\)?$/.exec(frame) ?? [];
    if (file === undefined) continue;
    const path = files.has(file) ? file : decode(file);
    if (files.has(path)) return { file: path, line: Number(line), column: Number(column) };
  }
  return undefined;
}

/** Undoes the escapes of a file URL. */
function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function shorten(text: string): string {
  const line = text.trim().replaceAll(/\s*\n\s*/g, " ");
  return line.length > 500 ? `${line.slice(0, 500)}...` : line;
}
