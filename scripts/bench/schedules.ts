/**
 * How long the next time of 10,000 schedules takes, beside cron-parser and croner alone; a part of `make bench`. The same
 * expressions, zones and instants for each. Each in a process of its own, so that none pays for another's garbage.
 */
import { fileURLToPath } from "node:url";
import { parseSchedule } from "@daruma/schedule";
import { CronExpressionParser } from "cron-parser";
import { Cron } from "croner";
import { execa } from "execa";

const count = 10_000;
const from = Date.UTC(2026, 2, 28, 12);
const zones = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Tokyo",
  "Australia/Sydney",
  "America/Santiago",
];

/** An answer to "when next, after this instant?", made from an expression and a zone. */
type Make = (expression: string, timezone: string) => (after: number) => number | null;

const candidates: Readonly<Record<string, Make>> = {
  daruma: (expression, timezone) => {
    const parsed = parseSchedule(expression, { timezone, name: null });
    if (!parsed.ok) throw new Error(expression);
    return parsed.schedule.next;
  },
  "cron-parser": (expression, tz) => {
    const parsed = CronExpressionParser.parse(expression, { tz });
    return (after) => {
      parsed.reset(new Date(after));
      return parsed.next().getTime();
    };
  },
  croner: (expression, timezone) => {
    const cron = new Cron(expression, { timezone, paused: true });
    return (after) => cron.nextRun(new Date(after))?.getTime() ?? null;
  },
};

const chosen = process.argv[2];
if (chosen === undefined) await compare();
else process.stdout.write(`${JSON.stringify(measure(candidates[chosen] as Make))}\n`);

interface Measured {
  readonly parseMs: number;
  readonly firstMs: number;
  readonly againMs: number;
  readonly heapBytes: number;
}

function measure(make: Make): Measured {
  const expressions = Array.from({ length: count }, (_, index) => expressionOf(index));
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  const began = performance.now();
  const schedules = expressions.map(([expression, zone]) => make(expression, zone));
  const parsed = performance.now();
  const first = schedules.map((next) => next(from));
  const asked = performance.now();
  for (const [index, next] of schedules.entries()) next(first[index] ?? from);
  const again = performance.now();
  globalThis.gc?.();
  const heapBytes = process.memoryUsage().heapUsed - heap;
  if (schedules.length !== count) throw new Error("the schedules are to be alive until here");
  return {
    parseMs: parsed - began,
    firstMs: asked - parsed,
    againMs: again - asked,
    heapBytes,
  };
}

/** Nightly, hourly, every few minutes, on weekdays, once a month and once a year, in the zones by turns. */
function expressionOf(index: number): readonly [string, string] {
  const minute = index % 60;
  const hour = index % 24;
  const expressions = [
    `${minute} ${hour} * * *`,
    `${minute} * * * *`,
    `*/${2 + (index % 14)} * * * *`,
    `${minute} 8-18 * * 1-5`,
    `${minute} ${hour} ${1 + (index % 28)} * *`,
    `${minute} ${hour} 1 ${1 + (index % 12)} *`,
    `${minute} ${hour} L * *`,
    `${minute} ${hour} 29 2 *`,
  ];
  return [expressions[index % expressions.length] ?? "", zones[Math.floor(index / 8) % zones.length] ?? ""];
}

async function compare(): Promise<void> {
  const script = fileURLToPath(import.meta.url);
  process.stdout.write(`${count} schedules in ${zones.length} zones, Node ${process.version}\n\n`);
  const header = ["", "parse", "first next", "a next more", "heap"];
  process.stdout.write(`${header.map((cell, column) => pad(cell, column)).join("")}\n`);
  for (const name of Object.keys(candidates)) {
    const { stdout } = await execa(process.execPath, ["--expose-gc", script, name]);
    const { parseMs, firstMs, againMs, heapBytes }: Measured = JSON.parse(stdout);
    const cells = [name, ...[parseMs, firstMs, againMs].map(ms), `${(heapBytes / 1e6).toFixed(1)} MB`];
    process.stdout.write(`${cells.map((cell, column) => pad(cell, column)).join("")}\n`);
  }
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

function pad(cell: string, column: number): string {
  return column === 0 ? cell.padEnd(14) : cell.padStart(14);
}
