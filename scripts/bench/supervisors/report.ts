/** What was measured, as tables. */
import { figureOf } from "../figures.ts";
import type { Footprint } from "./footprint.ts";
import { type Fault, type Outcome, type Result, type Seen, wanted } from "./results.ts";
import { limitMib } from "./trials.ts";

const titles: Readonly<Record<Fault, string>> = {
  crash: "killed (kill -9)",
  hang: "hangs (SIGSTOP)",
  limit: `leaks, above ${limitMib} MiB`,
  trend: "leaks, from the first byte",
  deploy: "a deploy that ends at its start",
};

export function faultTables(results: readonly Result[]): string {
  const tables = wanted.map((fault) => {
    const columns = ["detected", "served again", "verified", ...(leaks(fault) ? ["lost", "MiB"] : [])];
    const rows = results.map(({ name, outcomes }) => outcomeRow(name, fault, outcomes[fault]));
    return [row(titles[fault], columns), ...rows].join("\n");
  });
  return [...tables, ...(wanted.includes("deploy") ? [rollbackTable(results)] : [])].join("\n\n");
}

function rollbackTable(results: readonly Result[]): string {
  const rows = results.flatMap(({ name, outcomes: { deploy } }) => {
    if (typeof deploy === "string" || deploy.every(({ rolledBackAt }) => rolledBackAt === undefined))
      return [];
    const decided = deploy.map((each) => ({ ...each, failedAt: each.detectedAt ?? Number.NaN }));
    const isBack = told(decided, ({ rolledBackAt }) => rolledBackAt);
    return [row(name, [isBack, told(decided, ({ verifiedAt }) => verifiedAt)])];
  });
  return [row("since the decision to roll back", ["system is back", "verified"]), ...rows].join("\n");
}

export function footprintTable(sizes: readonly Footprint[]): string {
  const rows = sizes.map(({ agents, routines, daemons }) =>
    row(
      routines === 0 ? `${agents} agents` : `${agents} and ${routines} routines`,
      daemons.map(
        ({ pssMib, privateMib, cpuPercent }) =>
          `${pssMib.toFixed(0)} (${privateMib.toFixed(0)}), ${cpuPercent.toFixed(1)} %`,
      ),
    ),
  );
  return [row("", ["watchd", "ledgerd", "egressd"]), ...rows].join("\n");
}

function outcomeRow(name: string, fault: Fault, outcome: Outcome): string {
  if (typeof outcome === "string") return `${name.padEnd(34)}  ${outcome}`;
  const times = [
    told(outcome, ({ detectedAt }) => detectedAt),
    told(outcome, ({ servedAt }) => servedAt ?? Number.POSITIVE_INFINITY),
    told(outcome, ({ verifiedAt }) => verifiedAt),
  ];
  if (!leaks(fault)) return row(name, times);
  const lost = figureOf(outcome.map((each) => each.lost ?? 0));
  const most = figureOf(outcome.map(({ peakMib }) => peakMib ?? 0));
  const pair = ({ median, p99 }: typeof lost) => `${median.toFixed(0)} (${p99.toFixed(0)})`;
  return row(name, [...times, pair(lost), pair(most)]);
}

/** Median (99th percentile) since the fault. */
function told(outcome: readonly Seen[], at: (seen: Seen) => number | undefined): string {
  const times = outcome.map((each) => (at(each) ?? Number.NaN) - each.failedAt);
  if (times.every(Number.isNaN)) return "-";
  const text = (ms: number) => (Number.isFinite(ms) ? `${ms.toFixed(0)} ms` : "never");
  // Who has never served again has detected and verified nothing that is known, either.
  const { median, p99 } = figureOf(times.map((ms) => (Number.isNaN(ms) ? Number.POSITIVE_INFINITY : ms)));
  return `${text(median)} (${text(p99)})`;
}

function leaks(fault: Fault): boolean {
  return fault === "limit" || fault === "trend";
}

function row(label: string, cells: readonly string[]): string {
  return `${label.padEnd(34)}${cells.map((cell) => cell.padStart(22)).join("")}`;
}
