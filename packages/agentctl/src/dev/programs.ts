import { access } from "node:fs/promises";
import { join, resolve } from "node:path";
import { agentctlErrors } from "../catalogue.ts";

export interface Programs {
  /** agentctl itself: it evaluates fleet files in processes of their own. */
  readonly agentctl: string;
  readonly ledgerd: string;
  readonly watchd: string;
  readonly egressd: string;
}

/**
 * The programs of this release. Bundled, they are beside this one; in the source tree, each is in its package.
 *
 * @throws DEV_E_NOT_BUILT
 */
export async function findPrograms(directory = import.meta.dirname): Promise<Programs> {
  const packages = resolve(directory, "..", "..", "..");
  const candidates: readonly Programs[] = [
    {
      agentctl: join(directory, "agentctl.mjs"),
      ledgerd: join(directory, "ledgerd.mjs"),
      watchd: join(directory, "watchd.mjs"),
      egressd: join(directory, "egressd.mjs"),
    },
    {
      agentctl: join(packages, "agentctl", "src", "main.ts"),
      ledgerd: join(packages, "ledger", "src", "main.ts"),
      watchd: join(packages, "watchd", "src", "main.ts"),
      egressd: join(packages, "egress", "src", "main.ts"),
    },
  ];
  for (const programs of candidates) {
    const present = await Promise.all(Object.values(programs).map(isThere));
    if (present.every(Boolean)) return programs;
  }
  throw agentctlErrors.make(
    "DEV_E_NOT_BUILT",
    `ledgerd.mjs, watchd.mjs and egressd.mjs are not in ${directory}`,
    {
      where: directory,
    },
  );
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
