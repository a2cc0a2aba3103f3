import type { FleetDiff, HostDiff, UnitChange } from "./document.ts";

const verbs: Readonly<Record<UnitChange["action"], string>> = {
  start: "is started",
  stop: "is stopped and removed",
  restart: "is restarted",
  reload: "is reloaded",
  none: "is left alone",
  add: "is added, and runs when it is due",
  remove: "is removed, and what runs of it goes on to its end",
  next: "changes from its next run on",
};

/** What a deploy would do, in words for whoever approves it. Lines that open something up are marked. */
export function describeDiff({ hosts, notes }: FleetDiff): string[] {
  const touched = hosts.filter(({ state }) => state !== "unchanged");
  const rest = hosts.length - touched.length;
  const untouched =
    rest === 0
      ? []
      : [`${rest === 1 ? "1 host is" : `${rest} hosts are`} left as ${rest === 1 ? "it is" : "they are"}`];
  const lines = [...touched.flatMap(describeHost), ...notes.map((note) => `note: ${note}`), ...untouched];
  return lines.length === 0 ? ["the fleet has no hosts"] : lines;
}

const headings: Readonly<Record<HostDiff["state"], string>> = {
  added: "is new",
  removed: "is not in the fleet any more; what runs on it goes on until somebody stops it",
  changed: "changes",
  unchanged: "is left as it is",
};

function describeHost({ host, state, units, egress, policies }: HostDiff): string[] {
  const alone = units.filter(({ action }) => action === "none");
  return [
    `${host} ${headings[state]}`,
    ...units.filter(({ action }) => action !== "none").map(describeUnit),
    ...(alone.length === 0 ? [] : [`  left alone: ${alone.map(({ unit }) => unit).join(", ")}`]),
    ...egress.map(
      ({ agent, change, what }) =>
        `  ${change === "opened" ? "! egress opened" : "  egress closed"}: ${agent}, ${what}`,
    ),
    ...policies.map(({ agent, option, from, to }) => {
      const subject = agent === null ? option : `${agent}, ${option}`;
      return `  policy: ${subject}: ${from ?? "not set"} -> ${to ?? "not set"}`;
    }),
    "",
  ];
}

function describeUnit({ unit, action, reasons }: UnitChange): string {
  return `  ${unit} ${verbs[action]}: ${reasons.join(", ")}`;
}
