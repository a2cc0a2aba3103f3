import { looksSecret, secretName } from "../lint/secrets.ts";

/**
 * Hides, in a line of a fleet file, what may be a secret: excerpts end up in the logs of CI, which more people read than the
 * file. What is hidden keeps its length, so that the marks under the line stay right.
 */
export function maskSecrets(line: string): string {
  const names = new RegExp(`(?:${secretName.source})["']?\\s*[:=]`, "i");
  const isNamed = names.test(line);
  return line.replaceAll(
    /(["'`])((?:\\.|(?!\1).)+)(\1|$)/g,
    (whole, quote: string, content: string, end: string) => {
      const isName = whole === quote + content + end && secretName.test(content) && /^[\w.-]+$/.test(content);
      if (!looksSecret(content) && (!isNamed || isName || content.startsWith("/"))) return whole;
      return `${quote}${"•".repeat(content.length)}${end}`;
    },
  );
}
