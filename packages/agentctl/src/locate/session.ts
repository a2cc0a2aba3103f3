import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Problem, SourcePlace } from "@daruma/base";
import { type Found, findPlace } from "./find.ts";
import { type Comment, type Instrumented, instrument, recorderGlobal } from "./instrument.ts";
import { Recorder } from "./recorder.ts";
import { placeOf, positionOf } from "./text-place.ts";

/** A module of the fleet, as it was when it was evaluated to find places. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly sites: Instrumented["sites"];
  readonly comments: readonly Comment[];
}

/** A fleet that was evaluated once more, and what is known of where its values are written. */
export interface Located {
  readonly fleet: unknown;
  readonly files: readonly SourceFile[];
  placeOf(problem: Problem): SourcePlace | undefined;
}

/** Marks the second copy of each module of the fleet. */
const mark = "daruma-locate";

/** Codes of problems that are about a name, or about the whole of what it names; its value would be many lines. */
const aboutNames: ReadonlySet<string> = new Set([
  "CONFIG_E_UNKNOWN_OPTION",
  "CONFIG_E_NAME",
  "LINT_E_NO_HEALTH",
  "LINT_E_EGRESS_OPEN",
]);

/**
 * Evaluates a fleet file once more with its literals instrumented. Only for when something has to be shown: a fleet that is
 * fine is evaluated once, as it is written.
 *
 * @param url of the fleet file
 */
export async function locateFleet(url: string): Promise<Located> {
  const files: SourceFile[] = [];
  const recorder = new Recorder();
  Reflect.set(globalThis, Symbol.for(recorderGlobal), recorder);
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const isOurs = isMarked(context.parentURL) && isOwnModule(found.url, found.format);
      return isOurs && !isMarked(found.url) ? { ...found, url: marked(found.url) } : found;
    },
    load(url, context, next) {
      if (!isMarked(url)) return next(url, context);
      const path = fileURLToPath(url);
      const text = readFileSync(path, "utf8");
      const script = path.endsWith("ts") ? withoutTypes(text) : text;
      const { code, sites, comments } = rewrite(script, files.length);
      files.push({ path, text, sites, comments });
      return { format: "module", source: code, shortCircuit: true };
    },
  });
  const exported: unknown = await import(marked(url));
  const fleet: unknown = await Reflect.get(Object(exported), "default");
  const sites = (file: number) => files[file]?.sites ?? [];
  return {
    fleet,
    files,
    placeOf: ({ path, code }) => {
      const part = code !== undefined && aboutNames.has(code) ? "name" : "value";
      const found = findPlace(fleet, path, part, { recorder, sites });
      return found && describe(found, files);
    },
  };
}

const notes = {
  exact: undefined,
  copied: "it is copied by this, from something that is not a literal",
  changed: "it was changed after this was written",
  around: "no literal has it; this is the nearest place around it that could be found",
} as const;

function describe(found: Found, files: readonly SourceFile[]): SourcePlace | undefined {
  const file = files[found.file];
  if (file === undefined) return undefined;
  const user = found.usedAt && files[found.usedAt.file];
  const usedAt =
    found.usedAt && user ? { usedAt: { file: user.path, ...positionOf(user.text, found.usedAt.start) } } : {};
  const note = notes[found.relation];
  return {
    file: file.path,
    ...placeOf(file.text, found),
    ...(note === undefined ? {} : { note }),
    ...usedAt,
  };
}

function rewrite(script: string, file: number): Instrumented {
  try {
    return instrument(script, file);
  } catch {
    // Syntax that Node takes and our parser does not: of this file nothing is known, and it runs as it is.
    return { code: script, sites: [], comments: [] };
  }
}

/** Node still calls this function experimental, and is heard saying so on the stderr of whoever compiles a fleet. */
function withoutTypes(text: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(text, { mode: "strip" });
  } finally {
    process.emitWarning = emitWarning;
  }
}

function isOwnModule(url: string, format: string | null | undefined): boolean {
  if (!url.startsWith("file:") || url.includes("/node_modules/")) return false;
  const suffix = extname(new URL(url).pathname);
  return [".ts", ".mts", ".mjs"].includes(suffix) || (suffix === ".js" && format === "module");
}

function isMarked(url: string | undefined): boolean {
  return url?.startsWith("file:") === true && new URL(url).searchParams.has(mark);
}

function marked(url: string): string {
  const changed = new URL(url);
  changed.searchParams.set(mark, "");
  return changed.href;
}
