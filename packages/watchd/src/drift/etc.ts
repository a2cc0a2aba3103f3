import type { Difference } from "./difference.ts";

/** A file of the generation's /etc, by its path below it. */
export type EtcEntry =
  /** /etc has a link to the same path below /etc/static. */
  | { readonly path: string; readonly kind: "link" }
  /** /etc has a link with this very text. */
  | { readonly path: string; readonly kind: "direct"; readonly target: string }
  /** /etc has a copy, because somebody needs a file with these mode bits. */
  | { readonly path: string; readonly kind: "copy"; readonly mode: number; readonly sha256: string };

export type EtcFound =
  | { readonly kind: "absent" }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "file"; readonly mode: number; readonly size: number; readonly sha256: string }
  | { readonly kind: "directory" }
  | { readonly kind: "other" };

export interface DeclaredEtc {
  /** The generation's own tree, a path of the store. */
  readonly tree: string;
  readonly entries: readonly EtcEntry[];
}

export interface ObservedEtc {
  /** What is at /etc/static; a link is followed to its end. */
  readonly tree: EtcFound;
  /** By path; one that is missing here could not be looked at, and says nothing. */
  readonly found: ReadonlyMap<string, EtcFound>;
}

/** NixOS links /etc through /etc/static, so that one link changes all of it (nixpkgs, nixos/modules/system/etc/setup-etc.pl). */
export function etcDifferences({ tree, entries }: DeclaredEtc, observed: ObservedEtc): readonly Difference[] {
  const differences: Difference[] = [];
  if (observed.tree.kind !== "link" || observed.tree.target !== tree)
    differences.push(
      difference("/etc/static", [`link to ${tree}`], observed.tree, describeFound(observed.tree, false)),
    );
  for (const entry of entries) {
    const found = observed.found.get(entry.path);
    if (found === undefined || fits(entry, found)) continue;
    const same = entry.kind === "copy" && found.kind === "file" && entry.sha256 === found.sha256;
    const at = `/etc/${entry.path}`;
    differences.push(difference(at, [describeEntry(entry)], found, describeFound(found, same)));
  }
  return differences;
}

function fits(entry: EtcEntry, found: EtcFound): boolean {
  if (entry.kind === "copy")
    return found.kind === "file" && found.mode === entry.mode && found.sha256 === entry.sha256;
  return found.kind === "link" && found.target === targetOf(entry);
}

function targetOf(entry: Exclude<EtcEntry, { readonly kind: "copy" }>): string {
  return entry.kind === "direct" ? entry.target : `/etc/static/${entry.path}`;
}

function describeEntry(entry: EtcEntry): string {
  return entry.kind === "copy" ? `file with mode ${entry.mode.toString(8)}` : `link to ${targetOf(entry)}`;
}

function difference(
  at: string,
  declared: readonly string[],
  found: EtcFound,
  observed: readonly string[],
): Difference {
  // Activation replaces links; what is no link may be a person's work, and a directory it would leave in place.
  const setAside = found.kind === "absent" || found.kind === "link" ? null : at;
  return { kind: "etc", at, declared, observed, remedy: { kind: "switch", setAside } };
}

function describeFound(found: EtcFound, same: boolean): readonly string[] {
  switch (found.kind) {
    case "absent":
      return [];
    case "link":
      return [`link to ${found.target}`];
    case "file":
      // Not its hash: of a short secret, that would be enough to find it.
      return [
        `file with mode ${found.mode.toString(8)}${same ? "" : `, other content of ${found.size} bytes`}`,
      ];
    case "directory":
      return ["directory"];
    case "other":
      return ["neither file nor link nor directory"];
  }
}
