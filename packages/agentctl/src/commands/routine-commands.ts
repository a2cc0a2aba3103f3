import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { followOption, linesOption, stateOption, timeoutOption } from "./options.ts";

export const routineNextCommand = defineCommand({
  path: ["routine", "next"],
  summary: "Show when a schedule is due next",
  description:
    'Reads a cron expression and tells the next times at which it is due, by the rules of docs/concepts/schedules.md. Asks nobody: it needs no fleet and no running Daruma, and the time zone of this machine plays no part. A schedule that is never due is no error. With --json the document is {"next": […]} and nothing more.',
  args: {
    EXPR: {
      type: "text",
      required: true,
      description: 'Five cron fields, or six with seconds first; @daily and the like; "@every 15m"',
    },
  },
  options: {
    timezone: {
      type: "text",
      value: "TZ",
      default: "UTC",
      description: "IANA time zone of the expression: Europe/Berlin",
    },
    from: {
      type: "text",
      value: "INSTANT",
      description: "Times after this one: 2026-11-27, 2026-11-27T10:00Z. Default: now",
    },
    count: {
      type: "integer",
      value: "N",
      min: 1,
      max: 10_000,
      default: 5,
      description: "How many times",
    },
    name: { type: "text", value: "NAME", description: "Name of the routine, which H is spread by" },
  },
  json: "document",
  examples: [
    { run: 'agentctl routine next "30 2 * * *" --timezone America/New_York', does: "The next five nights" },
    {
      run: 'agentctl routine next "0 9 L * *" --from 2026-01-01 --count 12 --json',
      does: "The last day of every month of a year",
    },
  ],
  exits: [{ code: exitCode.ok, means: "also when the schedule is never due" }],
  load: async () => (await import("./routine-next.ts")).routineNext,
});

const nameArgument = {
  NAME: { type: "text", required: true, description: "Name of the routine" },
} as const;

const unknownExit = { code: exitCode.unknownUnit, means: "the current generation has no such routine" };

export const routineListCommand = defineCommand({
  path: ["routine", "list"],
  summary: "List the routines, their next times and last runs",
  description: "Asks watchd.",
  args: {},
  options: { state: stateOption },
  json: "document",
  examples: [
    { run: "agentctl routine list", does: "Show a table" },
    {
      run: "agentctl routine list --json | jq '.routines[] | select(.paused)'",
      does: "Which routines are paused, by whom and why",
    },
  ],
  exits: [],
  load: async () => (await import("./routine-show.ts")).routineList,
});

export const routineShowCommand = defineCommand({
  path: ["routine", "show"],
  summary: "Show a routine: its rules, its next times, its runs",
  description: "Asks watchd. Also tells where the newest runs have their files.",
  args: nameArgument,
  options: { state: stateOption },
  json: "document",
  examples: [{ run: "agentctl routine show nightly", does: "Everything about the routine nightly" }],
  exits: [unknownExit],
  load: async () => (await import("./routine-show.ts")).routineShow,
});

export const routineRunCommand = defineCommand({
  path: ["routine", "run"],
  summary: "Run a routine now",
  description:
    "Also where it is paused. Its overlap policy and group hold for this run as for any other. The run finds the input as the file $DARUMA_INPUT.",
  args: nameArgument,
  options: {
    input: {
      type: "text",
      value: "FILE",
      description: "Content for the run, at most 700,000 bytes",
    },
    wait: { type: "flag", default: false, description: "Wait until the run is over" },
    timeout: { ...timeoutOption, default: "1d" },
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl routine run nightly", does: "Run it now" },
    {
      run: "agentctl routine run nightly --input orders.csv --wait",
      does: "Give it a file, and wait for the end",
    },
  ],
  exits: [
    { code: exitCode.ok, means: "accepted; with --wait: it has succeeded" },
    { code: exitCode.error, means: "refused by its overlap policy" },
    { code: exitCode.unhealthy, means: "it did not succeed, or not within --timeout" },
    unknownExit,
  ],
  load: async () => (await import("./routine-run.ts")).routineRun,
});

export const routineStopCommand = defineCommand({
  path: ["routine", "stop"],
  summary: "Stop runs of a routine: they are over, and not tried again",
  description:
    "Of all its runs that are active or wait, or of the one that is named. Asks each to end as the routine says, and waits until it has. The routine itself goes on: pause it for that.",
  args: {
    ...nameArgument,
    RUN: {
      type: "text",
      required: false,
      description: "Id of one run, as `agentctl routine show` lists it",
    },
  },
  options: { timeout: timeoutOption, state: stateOption },
  json: "document",
  examples: [
    { run: "agentctl routine stop nightly", does: "End what runs of it, and what waits" },
    { run: "agentctl routine stop nightly run-5dafa2fae1-5", does: "End this run only" },
  ],
  exits: [
    { code: exitCode.ok, means: "they are over; also if there were none" },
    { code: exitCode.error, means: "there is no such run" },
    { code: exitCode.unhealthy, means: "one is not over within --timeout; it still is to end" },
    unknownExit,
  ],
  load: async () => (await import("./routine-stop.ts")).routineStop,
});

export const routinePauseCommand = defineCommand({
  path: ["routine", "pause"],
  summary: "Pause a routine: it runs only by hand until it is resumed",
  description:
    "What runs or waits already goes on. A pause survives restarts, deploys and reboots; times that pass in it are not caught up.",
  args: {
    ...nameArgument,
    WHY: { type: "text", required: true, description: "The reason, for whoever finds it paused" },
  },
  options: { state: stateOption },
  json: "document",
  examples: [
    { run: 'agentctl routine pause nightly "the source is being moved"', does: "Pause it, and say why" },
  ],
  exits: [unknownExit],
  load: async () => (await import("./routine-run.ts")).routinePause,
});

export const routineResumeCommand = defineCommand({
  path: ["routine", "resume"],
  summary: "Resume a routine that was paused",
  description: "It runs again from its next time on.",
  args: nameArgument,
  options: { state: stateOption },
  json: "document",
  examples: [{ run: "agentctl routine resume nightly", does: "Let it run again" }],
  exits: [unknownExit],
  load: async () => (await import("./routine-run.ts")).routineResume,
});

export const routineHistoryCommand = defineCommand({
  path: ["routine", "history"],
  summary: "Show every decision about a routine, as the ledger has it",
  description:
    "What fired it and when, what was skipped, queued, dropped or missed and why, and how each run and attempt ended. Also of a routine that the generation has no more.",
  args: nameArgument,
  options: {
    run: { type: "text", value: "RUN", description: "Only what is about this run" },
    lines: linesOption,
    follow: followOption,
    state: stateOption,
  },
  json: "lines",
  examples: [
    { run: "agentctl routine history nightly", does: "Its last decisions" },
    { run: "agentctl routine history nightly --follow", does: "Watch it" },
  ],
  exits: [],
  load: async () => (await import("./routine-history.ts")).routineHistory,
});

export const routineLogsCommand = defineCommand({
  path: ["routine", "logs"],
  summary: "Show what a run has written",
  description:
    "Of the newest run that has begun, or of the one that is named. All attempts of a run write to one log: on a host that is the journal, under the name of the run's unit.",
  args: nameArgument,
  options: {
    run: { type: "text", value: "RUN", description: "Id of the run, as `agentctl routine show` lists it" },
    lines: { ...linesOption, description: "How many lines of its end", default: 100 },
    state: stateOption,
  },
  json: "document",
  examples: [{ run: "agentctl routine logs nightly", does: "What its newest run has written" }],
  exits: [{ code: exitCode.error, means: "there is no log" }, unknownExit],
  load: async () => (await import("./routine-history.ts")).routineLogs,
});
