import { suggest } from "@daruma/base";
import { positionOf } from "../locate/text-place.ts";
import { type LintCode, lintErrors } from "./catalogue.ts";
import type { Finding } from "./lints.ts";

/** A file of the fleet with its comments; offsets are those of its text. */
export interface CommentedFile {
  readonly path: string;
  readonly text: string;
  readonly comments: readonly { readonly text: string; readonly start: number; readonly end: number }[];
}

export interface Silenced extends Finding {
  readonly reason: string;
}

export interface Judged {
  readonly findings: readonly Finding[];
  readonly silenced: readonly Silenced[];
}

interface Directive {
  readonly file: CommentedFile;
  readonly start: number;
  readonly end: number;
  readonly wholeFile: boolean;
  readonly codes: readonly string[];
  readonly reason: string;
  /** The line that it is about: its own, where something else is on it, or the next with anything but comments. */
  readonly line: number;
}

/** What says that a fleet file is not as it should be cannot be silenced in it. */
const alwaysTold: ReadonlySet<string> = new Set<LintCode>(["LINT_E_SILENCE", "LINT_E_NOT_REPEATABLE"]);

/**
 * Takes out what the fleet's own comments silence, with a reason: `// daruma-ignore CODE: reason` on the line of the finding,
 * on one above it, or where the helper that made it is used; `daruma-ignore-file` for everything in a file. A comment that
 * silences nothing, or has no reason, is a finding itself, so that they do not pile up.
 */
export function silence(all: readonly Finding[], files: readonly CommentedFile[]): Judged {
  const directives = files.flatMap(directivesOf);
  const used = new Map<Directive, Set<string>>(directives.map((each) => [each, new Set()]));
  const findings: Finding[] = [];
  const silenced: Silenced[] = [];
  for (const finding of all) {
    const directive = directives.find((each) => each.reason !== "" && covers(each, finding));
    if (directive === undefined) {
      findings.push(finding);
      continue;
    }
    used.get(directive)?.add(finding.code);
    silenced.push({ ...finding, reason: directive.reason });
  }
  const complaints = directives.flatMap((each) => complaintsAbout(each, used.get(each) ?? new Set()));
  return { findings: [...findings, ...complaints], silenced };
}

function directivesOf(file: CommentedFile): Directive[] {
  return file.comments.flatMap(({ text, start, end }) => {
    const [, scope, list = "", reason = ""] =
      /^[\s*]*daruma-ignore(-file)?(?![\w-])\s*([^:]*)(?::([\s\S]*))?$/.exec(text) ?? [];
    if (!/^[\s*]*daruma-ignore(?:-file)?(?![\w-])/.test(text)) return [];
    const codes = list.split(/[\s,]+/).filter((code) => code !== "");
    const line = lineAbout(file, start, end);
    return [{ file, start, end, wholeFile: scope !== undefined, codes, reason: reason.trim(), line }];
  });
}

function lineAbout({ text, comments }: CommentedFile, start: number, end: number): number {
  const before = text.slice(text.lastIndexOf("\n", start - 1) + 1, start);
  if (before.trim() !== "") return positionOf(text, start).line;
  let offset = end;
  for (;;) {
    offset += /^\s*/.exec(text.slice(offset))?.[0].length ?? 0;
    const next = comments.find((comment) => comment.start === offset);
    if (next === undefined) return positionOf(text, offset).line;
    offset = next.end;
  }
}

function covers(directive: Directive, { code, place }: Finding): boolean {
  if (alwaysTold.has(code) || !directive.codes.includes(code) || place === undefined) return false;
  return [place, ...(place.usedAt === undefined ? [] : [place.usedAt])].some(
    ({ file, line }) => file === directive.file.path && (directive.wholeFile || line === directive.line),
  );
}

function complaintsAbout(directive: Directive, used: ReadonlySet<string>): Finding[] {
  const { file, start, end, codes, reason } = directive;
  const from = positionOf(file.text, start);
  const until = positionOf(file.text, end);
  const place = { file: file.path, ...from, endLine: until.line, endColumn: until.column };
  const complain = (message: string): Finding => ({
    code: "LINT_E_SILENCE",
    path: "daruma-ignore",
    message,
    place,
  });
  if (codes.length === 0) return [complain("names no code: write `daruma-ignore CODE: reason`")];
  if (reason === "") return [complain("has no reason: write it behind a colon")];
  return codes.filter((code) => !used.has(code)).map((code) => complain(whyUnused(code)));
}

function whyUnused(code: string): string {
  const known = Object.keys(lintErrors.catalogue).filter((each) => !alwaysTold.has(each));
  if (known.includes(code)) return `${code} is not found here: there is nothing to silence`;
  const meant = suggest(code, known);
  return `${code} cannot be silenced${meant === undefined ? "" : `; did you mean ${meant}?`}`;
}
