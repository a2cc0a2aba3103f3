import { type ExitCode, exitCode, type Problem } from "@daruma/base";
import { findZone, parseSchedule, upcoming } from "@daruma/schedule";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { formatTable } from "../cli/table.ts";
import { notAnInstant, parseInstant } from "./times.ts";

export interface RoutineNextInput {
  readonly args: { readonly EXPR: string };
  readonly options: {
    readonly timezone: string;
    readonly from: string | undefined;
    readonly count: number;
    readonly name: string | undefined;
  };
}

/** The years that schedules are defined for. */
const [earliest, latest] = [0, Date.UTC(10_000, 0, 1) - 1];

export async function routineNext(context: Context, { args, options }: RoutineNextInput): Promise<ExitCode> {
  const { timezone, count } = options;
  const parsed = parseSchedule(args.EXPR, { timezone, name: options.name ?? null });
  const from = options.from === undefined ? Date.now() : parseInstant(options.from);
  const wrongFrom = fromProblems(options.from ?? "", from);
  if (!parsed.ok || from === null || wrongFrom.length > 0) {
    throw invalid([...(parsed.ok ? [] : parsed.problems), ...wrongFrom]);
  }
  const next = upcoming(parsed.schedule, from, count);
  // A bare document, without schemaVersion: what it holds is all that it will ever hold.
  const document = JSON.stringify({ next: next.map((instant) => new Date(instant).toISOString()) });
  await context.output.record(document, () => describe(next, count, timezone).join("\n"));
  return exitCode.ok;
}

function fromProblems(text: string, from: number | null): readonly Problem[] {
  if (from === null) return [{ path: "--from", message: notAnInstant(text) }];
  if (from >= earliest && from <= latest) return [];
  return [{ path: "--from", message: `${text} is not within the years 1970 to 9999` }];
}

function invalid(problems: readonly Problem[]): Error {
  const [first] = problems;
  const message =
    problems.length === 1 && first !== undefined
      ? `${first.path}: ${first.message}`
      : `${problems.length} things are wrong with the schedule`;
  return agentctlErrors.make("SCHEDULE_E_INVALID", message, { problems });
}

function describe(next: readonly number[], count: number, timezone: string): readonly string[] {
  if (next.length === 0) return ["never: no time in the next 50 years matches"];
  const lines = formatTable(
    [`IN ${timezone}`, "OFFSET", "IN UTC"],
    next.map((instant) => [...localTime(instant, timezone), new Date(instant).toISOString()]),
  );
  return next.length < count ? [...lines, "and never again"] : lines;
}

/** What the clock shows, and how far it is from UTC. */
function localTime(instant: number, timezone: string): readonly [string, string] {
  const offset = findZone(timezone)?.offsetAt(instant) ?? 0;
  const shown = new Date(instant + offset);
  const weekday = shown.toLocaleDateString("en-US", { weekday: "short", timeZone: "UTC" });
  const minutes = Math.abs(offset) / 60_000;
  const sign = offset < 0 ? "-" : "+";
  return [
    `${weekday} ${shown.toISOString().slice(0, 19).replace("T", " ")}`,
    `${sign}${twoDigits(minutes / 60)}:${twoDigits(minutes % 60)}`,
  ];
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}
