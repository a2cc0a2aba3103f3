import type { DarumaError, Problem } from "@daruma/base";

/**
 * An error as workflow commands, which GitHub shows beside the lines of a pull request.
 * https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
 */
export function githubAnnotations(error: DarumaError): string[] {
  if (error.problems.length === 0) return [annotation(error.code, {}, error.message)];
  return error.problems.map((problem) => annotateProblem(problem, error.code));
}

function annotateProblem({ path, message, code, place }: Problem, errorCode: string): string {
  const position =
    place === undefined
      ? {}
      : {
          file: place.file,
          line: place.line,
          col: place.column,
          endLine: place.endLine,
          // Of a place of several lines GitHub takes no columns.
          ...(place.endLine === place.line ? { endColumn: place.endColumn } : {}),
        };
  const note = place?.note === undefined ? "" : ` (${place.note})`;
  const subject = path === place?.file ? "" : `${path}: `;
  return annotation(code ?? errorCode, position, `${subject}${message}${note}`);
}

function annotation(title: string, properties: object, message: string): string {
  const list = Object.entries({ ...properties, title }).map(
    ([key, value]) => `${key}=${escapeProperty(value)}`,
  );
  return `::error ${list.join(",")}::${escapeData(message)}`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(value: unknown): string {
  return escapeData(String(value)).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
