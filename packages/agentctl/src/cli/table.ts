/**
 * Columns separated by at least two spaces, as wide as their widest cell; the last one is not padded. An empty cell is
 * shown as `-`, so that every row has the same number of fields for `awk` and `cut`.
 */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [header, ...rows].map((row) => header.map((_, column) => row[column] || "-"));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
