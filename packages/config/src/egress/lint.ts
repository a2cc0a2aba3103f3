import type { Problem } from "@daruma/base";
import { formatPath, type Path } from "../paths.ts";

/** The `egress` of an agent or a routine as the user wrote it, whatever that is. */
export interface WrittenList {
  /** `agent "web"` */
  readonly owner: string;
  readonly path: Path;
  readonly entries: unknown;
}

/**
 * What a schema of single entries cannot see: a local port that leads to two places, or to a whole family of names. All
 * agents and routines of a host share its loopback address, and so its ports.
 */
export function lintForwards(lists: readonly WrittenList[]): Problem[] {
  const owners = new Map<number, string>();
  const problems: Problem[] = [];
  for (const { owner: own, path, entries } of lists) {
    if (!Array.isArray(entries)) continue;
    for (const [index, entry] of entries.entries()) {
      const { forward, host } = Object(entry) as { readonly forward?: unknown; readonly host?: unknown };
      if (typeof forward !== "number") continue;
      const report = (message: string) =>
        problems.push({ path: formatPath([...path, index, "forward"]), message });
      if (typeof host === "string" && host.startsWith("*")) report("leads to one host; name it");
      const owner = owners.get(forward);
      if (owner !== undefined) report(`port ${forward} is a forward of the ${owner} already`);
      owners.set(forward, owner ?? own);
    }
  }
  return problems;
}
