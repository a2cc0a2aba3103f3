import type { Entry } from "@daruma/ledger";
import type { Paint } from "../cli/output.ts";
import { printable } from "../cli/render-error.ts";
import { elapsed } from "../story/elapsed.ts";
import { storyLine } from "../story/line.ts";
import { tell } from "../story/tellers.ts";
import {
  type Failure,
  failuresOf,
  type Incident,
  momentOf,
  type Step,
  stepsOf,
  type Verdict,
  verdictsOf,
} from "./incident.ts";
import type { LogLines, NoLog } from "./logs.ts";
import { codeBlock, inlineMarkdown } from "./markdown.ts";

/** All that is known of an incident: what led to it, what was done, what came of it. */
export interface PostMortem {
  readonly incident: Incident;
  /** The agent's last entries before. */
  readonly before: readonly Entry[];
  /** Of the incident, oldest first; of a very long one not all. */
  readonly entries: readonly Entry[];
  /** Between which of them some are left out; `null` if none are. */
  readonly leftOut: { readonly after: number; readonly before: number } | null;
  /** The agent's first entries after. */
  readonly after: readonly Entry[];
  readonly log: LogLines | NoLog;
}

export interface PostMortemDocument {
  readonly schemaVersion: 1;
  readonly incident: Incident;
  readonly failures: readonly Failure[];
  readonly before: readonly Entry[];
  readonly steps: readonly Step[];
  readonly leftOut: PostMortem["leftOut"];
  readonly rules: readonly Verdict[];
  readonly after: readonly Entry[];
  readonly log: LogLines | NoLog;
}

export function postMortemDocument({ entries, ...rest }: PostMortem): PostMortemDocument {
  return {
    schemaVersion: 1,
    ...rest,
    failures: failuresOf(entries),
    steps: stepsOf(entries),
    rules: verdictsOf(entries),
  };
}

interface Section {
  readonly title: string;
  /** Where what it says does not come from the ledger. */
  readonly isLog?: true;
  readonly lines: readonly string[];
}

export function describeIncident(all: PostMortem, paint: Paint): readonly string[] {
  const sections = sectionsOf(all, (entry) => storyLine(entry, { paint, date: true }));
  return [
    ...headOf(all.incident).map(([name, value]) => `${name.padEnd(10)}${printable(value)}`),
    ...sections.flatMap(({ title, lines }) => [
      "",
      paint("bold", printable(title)),
      ...lines.map((line) => `  ${line}`),
    ]),
  ];
}

export function incidentMarkdown(all: PostMortem): readonly string[] {
  const sections = sectionsOf(all, (entry) => `${momentOf(entry)} ${entry.subject}: ${tell(entry).text}`);
  return [
    `# Incident ${inlineMarkdown(all.incident.id)}`,
    "",
    ...headOf(all.incident).map(([name, value]) => `- **${name}**: ${inlineMarkdown(value)}`),
    ...sections.flatMap(({ title, lines, isLog }) => [
      "",
      `## ${inlineMarkdown(title)}`,
      "",
      ...(isLog === true ? codeBlock(lines) : lines.map((line) => `- ${inlineMarkdown(line)}`)),
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

function endOf({ outcome, ended, durationMs }: Incident): string {
  if (ended === null || durationMs === null)
    return outcome === "held" ? "not yet: it is held back" : "not yet";
  return `${ended}, ${outcome} after ${elapsed(durationMs)}`;
}

function sectionsOf(all: PostMortem, line: (entry: Entry) => string): readonly Section[] {
  const { before, entries, leftOut, after, log } = all;
  const verdicts = verdictsOf(entries).flatMap(({ allowed, rules }) => [
    allowed ? "a rollback was allowed:" : "a rollback was forbidden:",
    ...rules.map((rule) => printable(rule)),
  ]);
  const steps = stepsOf(entries).flatMap(({ afterMs, entry }) => {
    const told = printable(`${entry.subject}: ${tell(entry).text}`.replaceAll(/\s+/g, " "));
    const gap =
      leftOut?.after === entry.seq
        ? [`… of the entries between ${leftOut.after} and ${leftOut.before} only what decided is shown`]
        : [];
    return [`+${elapsed(afterMs)}  ${told}`, ...gap];
  });
  return [
    { title: "Before", lines: orNone(before.map(line), "nothing is recorded") },
    {
      title: "Cause",
      lines: orNone(failuresOf(entries).slice(0, 1).flatMap(describeFailure), "it is not recorded"),
    },
    logSection(log),
    { title: "What happened", lines: steps },
    { title: "Rollback rules", lines: orNone(verdicts, "restarting was enough so far: no rule was asked") },
    { title: "After", lines: orNone(after.map(line), "nothing is recorded yet") },
  ];
}

function describeFailure({ seq, at, run, action, cause, exit, memory, reason, uptimeMs }: Failure): string[] {
  const one = (name: string, value: string | null) =>
    value === null ? [] : [`${name}: ${printable(value.replaceAll(/\s+/g, " "))}`];
  const shown = (name: string) => {
    const value = exit?.[name];
    return value === undefined || value === null ? null : String(value);
  };
  const others = Object.keys(exit ?? {}).filter((name) => !["kind", "code", "signal"].includes(name));
  return [
    ...one("kind", `${cause} (${action}, entry ${seq}, ${at})`),
    ...one("exit code", shown("code")),
    ...one("signal", shown("signal")),
    ...others.flatMap((name) => one(name, shown(name))),
    ...one("memory", memory === null ? null : memoryOf(memory)),
    ...one("reason", reason),
    ...one(
      "run",
      run === null ? null : `${run}${uptimeMs === null ? "" : `, ${elapsed(uptimeMs)} after its start`}`,
    ),
  ];
}

function memoryOf({ bytes, limitBytes }: NonNullable<Failure["memory"]>): string {
  const mib = (value: number) => `${(value / 1_048_576).toFixed(1)} MiB`;
  return limitBytes === null ? mib(bytes) : `${mib(bytes)}, of ${mib(limitBytes)} allowed`;
}

function logSection(log: LogLines | NoLog): Section {
  if ("missing" in log) {
    return { title: "Log (not from the ledger)", lines: [`${log.source}: ${log.missing}`] };
  }
  return {
    title: `Log (not from the ledger: ${log.source}, ${log.extent})`,
    isLog: true,
    lines: log.lines.map((text) => printable(text)),
  };
}

function orNone(lines: readonly string[], none: string): readonly string[] {
  return lines.length === 0 ? [none] : lines;
}
