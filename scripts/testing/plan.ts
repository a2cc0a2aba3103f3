/** Which test files run in one process, and in which order the processes are started. */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";

export interface Group {
  /** What its line in the output says. */
  readonly name: string;
  readonly files: readonly string[];
  readonly nodeOptions: readonly string[];
}

/** Where a file keeps a process to itself: it boots a host, or starts programs and waits for them most of its time. */
const alone = [/^tests\/host\//, /^packages\/agentctl\/src\/dev\//, /^examples\//, /main[^/]*\.test\.ts$/];

/** Started first, so that the last processes to end are short ones; what computes beside what waits for a host. */
const longFirst = [
  /^packages\/ledger\/src\/[^/]*$/,
  /^tests\/host\//,
  /^packages\/watchd\/src\/nixos\//,
  /^packages\/agentctl\/src\/commands\//,
  /^packages\/agentctl\//,
  /^packages\/watchd\/src\/(main|processes)/,
  /^tests\/nix\//,
];

/** Files of one directory share a process. One that replaces modules for itself needs tap's loader, and a process without others. */
export async function plan(files: readonly string[]): Promise<readonly Group[]> {
  const groups = new Map<string, string[]>();
  const own: Group[] = [];
  for (const file of [...files].sort()) {
    const mocks = (await readFile(file, "utf8")).includes("t.mockImport");
    if (mocks) own.push({ name: file, files: [file], nodeOptions: ["--import=@tapjs/mock/import"] });
    else if (alone.some((pattern) => pattern.test(file)))
      own.push({ name: file, files: [file], nodeOptions: [] });
    else groups.set(dirname(file), [...(groups.get(dirname(file)) ?? []), file]);
  }
  const shared = [...groups].map(([directory, all]) => ({
    name: all.length === 1 ? (all[0] ?? directory) : `${directory} (${all.length} files)`,
    files: all,
    nodeOptions: [],
  }));
  return [...own, ...shared].sort((a, b) => rank(a) - rank(b));
}

function rank({ files: [first = ""] }: Group): number {
  const index = longFirst.findIndex((pattern) => pattern.test(first));
  return index === -1 ? longFirst.length : index;
}
