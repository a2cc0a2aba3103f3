/** More lines than this say nothing more to a person, and an entry of the ledger is no place for files. */
const mostLines = 40;
const longestLine = 200;
/** Beyond this, lines are not compared with each other. */
const mostCompared = 400;

/** Lines as in diff(1): `- ` only declared, `+ ` only observed, two blanks for what is in both. At most 41, each of at most 202 characters. */
export function diffLines(declared: readonly string[], observed: readonly string[]): readonly string[] {
  const lines = compare(declared.slice(0, mostCompared), observed.slice(0, mostCompared));
  const shown = lines.slice(0, mostLines).map((line) => line.slice(0, longestLine + 2));
  return lines.length > mostLines ? [...shown, `… and ${lines.length - mostLines} more lines`] : shown;
}

/** By the longest common subsequence. */
function compare(a: readonly string[], b: readonly string[]): string[] {
  const lengths = lcs(a, b);
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${a[i]}`);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && at(lengths, i + 1, j) >= at(lengths, i, j + 1))) {
      lines.push(`- ${a[i]}`);
      i += 1;
    } else {
      lines.push(`+ ${b[j]}`);
      j += 1;
    }
  }
  return lines;
}

/** Row i, column j: the length of what a from i and b from j have in common. */
function lcs(a: readonly string[], b: readonly string[]): readonly Uint16Array[] {
  const rows = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const row = rows[i];
      if (row === undefined) continue;
      row[j] = a[i] === b[j] ? at(rows, i + 1, j + 1) + 1 : Math.max(at(rows, i + 1, j), at(rows, i, j + 1));
    }
  }
  return rows;
}

function at(rows: readonly Uint16Array[], i: number, j: number): number {
  return rows[i]?.[j] ?? 0;
}
