import type { Difference } from "./difference.ts";

export interface Systems {
  /** What boots next; null where there is none. */
  readonly profile: string | null;
  /** What runs; null where `/run/current-system` leads nowhere. */
  readonly current: string | null;
}

/**
 * A person does this on purpose, with `nixos-rebuild test` and `nixos-rebuild boot`, and which of the two they want to keep they alone
 * know: it is told, and left.
 */
export function systemDifference({ profile, current }: Systems): readonly Difference[] {
  if (profile === current) return [];
  return [
    {
      kind: "system",
      at: "/run/current-system",
      declared: profile === null ? [] : [profile],
      observed: current === null ? [] : [current],
      remedy: { kind: "none", why: "a person decides which of the two is to stay: switch, or reboot" },
    },
  ];
}
