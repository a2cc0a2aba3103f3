import { printable } from "../cli/render-error.ts";

/**
 * A text as one line of Markdown (CommonMark, and GFM's automatic links and mentions) that shows it as it is. Agents write log
 * lines, names and reasons: nothing of them may become markup, HTML, a link, or another line.
 */
export function inlineMarkdown(text: string): string {
  return (
    printable(text.replaceAll(/\s+/g, " ").trim())
      .replaceAll(/[\\`*_{}[\]()<>#|&~!@$^=]/g, "\\$&")
      // GFM makes links of these by themselves.
      .replaceAll(/:(?=\/\/)/g, "\\:")
      .replaceAll(/\bwww\./gi, (www) => `${www.slice(0, 3)}\\.`)
      .replace(/^([-+]|\d+(?=[.)]))/, (start) => (/\d/.test(start) ? start : `\\${start}`))
      .replace(/^(\d+)([.)])/, "$1\\$2")
  );
}

/** Lines as a code block, whose fence is longer than any that is in them. */
export function codeBlock(lines: readonly string[]): readonly string[] {
  const plain = lines.map((line) => printable(line.replaceAll(/[\r\n]+/g, " ")));
  const longest = Math.max(
    2,
    ...plain.flatMap((line) => [...line.matchAll(/`+/g)].map(([run]) => run.length)),
  );
  const fence = "`".repeat(longest + 1);
  return [`${fence}text`, ...plain, fence];
}
