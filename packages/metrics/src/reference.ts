import { type Metric, metricTable } from "./table.ts";

const sections: readonly (readonly [title: string, prefix: string])[] = [
  ["Daemons", "daruma_(up|answer)"],
  ["Generations", "daruma_(generation|rollback)"],
  ["Agents", "daruma_agent_"],
  ["Routines", "daruma_routine_"],
  ["Egress", "daruma_egress_"],
  ["Ledger", "daruma_ledger_"],
  ["Host", "daruma_host_"],
];

/** docs/reference/metrics.md */
export function metricsReference(): string {
  const all = Object.entries<Metric>(metricTable);
  const parts = sections.map(([title, prefix]) => {
    const rows = all.filter(([name]) => new RegExp(`^${prefix}`).test(name)).map(row);
    return [
      `## ${title}`,
      ["| name | type | labels | unit | |", "|---|---|---|---|---|", ...rows].join("\n"),
    ].join("\n\n");
  });
  return `${[
    "# Metrics",
    "Generated from the table of metrics by `make generate`. How they are read, and what the rules and the dashboard that come with them look at: [Metrics](../concepts/metrics.md).",
    ...parts,
  ].join("\n\n")}\n`;
}

function row([name, { type, labels, unit, help }]: [string, Metric]): string {
  const cells = [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(", "), unit ?? "", help];
  return `| ${cells.join(" | ")} |`;
}
