import type { Difference } from "./difference.ts";

/** What the wall's own watcher found in the place of the rules, as nft(8) prints them. It has loaded them again since. */
export function wallDifference(loaded: string, found: string): Difference {
  return {
    kind: "wall",
    at: "table inet daruma_egress",
    declared: linesOf(loaded),
    observed: linesOf(found),
    remedy: { kind: "done", by: "daruma-egress-watch" },
  };
}

function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}
