import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";

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
