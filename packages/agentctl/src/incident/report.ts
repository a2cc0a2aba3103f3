import type { Entry } from "@daruma/ledger";
import type { Paint } from "../cli/output.ts";
import { printable } from "../cli/render-error.ts";
import { elapsed } from "../story/elapsed.ts";
import { storyLine } from "../story/line.ts";
import { tell } from "../story/tellers.ts";
import { type Incident, momentOf, stepsOf, verdictsOf } from "./incident.ts";
import type { LogLines } from "./logs.ts";

/** All that is known of an incident: what led to it, what was done, what came of it. */
export interface PostMortem {
  readonly incident: Incident;
  /** The agent's last entries before. */
  readonly before: readonly Entry[];
  readonly entries: readonly Entry[];
  /** The agent's first entries after. */
  readonly after: readonly Entry[];
  readonly log: LogLines | null;
}

interface Section {
  readonly title: string;
  readonly lines: readonly string[];
}

export function describeIncident(all: PostMortem, paint: Paint): readonly string[] {
  const sections = sectionsOf(all, (entry) => storyLine(entry, { paint, date: true }));
  return [
    ...headOf(all.incident).map(([name, value]) => `${name.padEnd(10)}${printable(value)}`),
    ...sections.flatMap(({ title, lines }) => [
      "",
      paint("bold", title),
      ...lines.map((line) => `  ${line}`),
    ]),
  ];
}

export function incidentMarkdown(all: PostMortem): readonly string[] {
  const sections = sectionsOf(all, (entry) => `${momentOf(entry)} ${entry.subject}: ${tell(entry).text}`);
  return [
    `# Incident ${plain(all.incident.id)}`,
    "",
    ...headOf(all.incident).map(([name, value]) => `- **${name}**: ${plain(value)}`),
    ...sections.flatMap(({ title, lines }) => [
      "",
      `## ${title}`,
      "",
      ...lines.map((line) => `- ${plain(line)}`),
    ]),
  ];
}

function headOf(incident: Incident): readonly (readonly [string, string])[] {
  return [
    ["incident", incident.id],
    ["agent", incident.agent],
    ["cause", incident.cause],
    ["began", incident.began],
    ["ended", endOf(incident)],
    ["rollback", incident.rollback],
  ];
}

export function endOf({ outcome, ended, durationMs }: Incident): string {
  if (ended === null || durationMs === null)
    return outcome === "held" ? "not yet: it is held back" : "not yet";
  return `${ended}, ${outcome} after ${elapsed(durationMs)}`;
}

function sectionsOf(all: PostMortem, line: (entry: Entry) => string): readonly Section[] {
  const { before, entries, after, log } = all;
  const verdicts = verdictsOf(entries).flatMap(({ allowed, rules }) => [
    allowed ? "a rollback was allowed:" : "a rollback was forbidden:",
    ...rules.map((rule) => printable(rule)),
  ]);
  return [
    { title: "Before", lines: orNone(before.map(line), "nothing is recorded") },
    {
      title: "What happened",
      lines: stepsOf(entries).map(
        ({ afterMs, entry }) => `+${elapsed(afterMs)}  ${printable(`${entry.subject}: ${tell(entry).text}`)}`,
      ),
    },
    { title: "Rollback rules", lines: orNone(verdicts, "restarting was enough so far: no rule was asked") },
    {
      title: log === null ? "Log" : `Log (${log.source})`,
      lines: orNone(log?.lines.map(printable) ?? [], "no line of it can be read from here"),
    },
    { title: "After", lines: orNone(after.map(line), "nothing is recorded yet") },
  ];
}

function orNone(lines: readonly string[], none: string): readonly string[] {
  return lines.length === 0 ? [none] : lines;
}

/** Agents write log lines and reasons: nothing of them may become markup, HTML or another line. */
function plain(text: string): string {
  return printable(text.replaceAll(/\s+/g, " ")).replaceAll(/[\\`*_{}[\]<>#|&~]/g, "\\$&");
}
