import type { Entry } from "@daruma/ledger";

export type Severity = "info" | "warning" | "critical";

/** What the entry says of itself; one that says nothing is for information. */
export function severityOf({ details }: Entry): Severity {
  return details.severity === "warning" || details.severity === "critical" ? details.severity : "info";
}

/** The fields of an entry that name something, as far as it has them. */
export function labelsOf(entry: Entry): readonly (readonly [string, string])[] {
  const { actor, action, subject, incident, run } = entry;
  const all = { actor, action, subject, incident, run };
  return Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
}
