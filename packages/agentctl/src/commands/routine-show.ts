import { type ExitCode, exitCode } from "@daruma/base";
import type { Context } from "../cli/command.ts";
import type { Paint } from "../cli/output.ts";
import { formatTable } from "../cli/table.ts";
import { locateInstance } from "../instance/locate.ts";
import {
  type RoutineDetails,
  type RoutineFiring,
  type RoutineStatus,
  watchdClient,
} from "../instance/watchd-client.ts";
import { elapsed } from "../story/elapsed.ts";

interface StateOptions {
  readonly options: { readonly state: string | undefined };
}

export async function routineList(context: Context, { options }: StateOptions): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await watchdClient(sockets.watchd).routines();
  await context.output.result(document, () => describeRoutines(document.routines, context.output.paint));
  return exitCode.ok;
}

export async function routineShow(
  context: Context,
  { args, options }: StateOptions & { readonly args: { readonly NAME: string } },
): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await watchdClient(sockets.watchd).routine(args.NAME);
  await context.output.result(document, () => describeRoutine(document.routine));
  return exitCode.ok;
}

export function describeRoutines(routines: readonly RoutineStatus[], paint: Paint): readonly string[] {
  if (routines.length === 0) return ["no routines"];
  const [header = "", ...rows] = formatTable(
    ["ROUTINE", "SCHEDULE", "NEXT", "LAST", "STATE"],
    routines.map((routine) => [
      routine.name,
      scheduleOf(routine),
      routine.paused === null ? (routine.next ?? "") : "",
      routine.last === null ? "" : `${routine.last.outcome} ${routine.last.at}`,
      stateOf(routine),
    ]),
  );
  const painted = rows.map((row, index) => {
    const routine = routines[index];
    if (routine?.last?.outcome === "failed") return paint("red", row);
    return routine === undefined || routine.paused === null ? row : paint("yellow", row);
  });
  return [paint("dim", header), ...painted];
}

function scheduleOf({ schedule, timezone }: RoutineStatus): string {
  if (schedule === null) return "";
  const expressions = schedule.trim().replaceAll(/\s*\n\s*/g, "; ");
  return timezone === "UTC" ? expressions : `${expressions} ${timezone}`;
}

function stateOf({ paused, runs, waiting }: RoutineStatus): string {
  const parts = [
    paused === null ? undefined : `paused by ${paused.by}: ${paused.why}`,
    ...runs.map(({ run, phase, attempt, retryInMs }) => {
      const tries = attempt > 1 ? `, attempt ${attempt}` : "";
      return phase === "backoff"
        ? `${run} failed, again in ${elapsed(retryInMs ?? 0)}`
        : `${run} ${phase}${tries}`;
    }),
    waiting.length === 0 ? undefined : `${waiting.length} waiting`,
  ];
  return parts.filter((part) => part !== undefined).join("; ");
}

function describeRoutine(routine: RoutineDetails): readonly string[] {
  const { manifest, paused, last } = routine;
  const { overlap, missed } = manifest;
  const fired = [
    scheduleOf(routine),
    manifest.atBoot ? "at boot" : "",
    ...manifest.after.map((other) => `after ${other}`),
  ].filter((part) => part !== "");
  const limit = overlap.kind === "queue" || overlap.kind === "parallel" ? `, at most ${overlap.limit}` : "";
  const window = missed.run === "skip" ? "" : `, of the last ${elapsed(missed.withinMs)}`;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["routine", routine.name],
    ["runs", fired.length === 0 ? "by hand only" : fired.join("; ")],
    ["paused", paused === null ? undefined : `since ${paused.since} by ${paused.by}: ${paused.why}`],
    ["next", routine.times.length === 0 ? undefined : routine.times.join("\n            ")],
    ["overlap", `${overlap.kind}${limit}`],
    ["missed", `${missed.run}${window}`],
    ["retries", String(manifest.retries)],
    ["timeout", manifest.timeoutMs === null ? "none" : elapsed(manifest.timeoutMs)],
    ["group", manifest.group ?? undefined],
    ["last", last === null ? undefined : `${last.outcome} at ${last.at} (${last.run})`],
    ...routine.runs.map((run): [string, string] => [
      "active",
      `${firingOf(run)}: ${run.phase}, attempt ${run.attempt}`,
    ]),
    ...routine.waiting.map((firing): [string, string] => ["waiting", firingOf(firing)]),
    ...routine.files.map(({ directory }): [string, string] => ["files", directory]),
  ];
  return rows.flatMap(([key, value]) => (value === undefined ? [] : [`${key.padEnd(10)}  ${value}`]));
}

function firingOf({ run, trigger, cause, nominal }: RoutineFiring): string {
  return `${run}, by ${trigger}${cause === null ? "" : ` ${cause}`}, for ${nominal}`;
}
