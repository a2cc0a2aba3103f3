import { type ExitCode, exitCode } from "@daruma/base";
import { parseDuration } from "@daruma/config";
import { type Entry, readEntries } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { printable } from "../cli/printable.ts";
import { ends, momentOf } from "../incident/incident.ts";
import { type Instance, locateInstance } from "../instance/locate.ts";
import type { LogLine, SourceQuery } from "../logs/log-line.ts";
import { openLogs } from "../logs/session.ts";
import { notAnInstant, parseInstant } from "./times.ts";

export interface LogsInput {
  readonly args: { readonly NAME: string };
  readonly options: {
    readonly lines: number | undefined;
    readonly follow: boolean;
    readonly since: string | undefined;
    readonly incident: string | undefined;
    readonly state: string | undefined;
  };
}

const defaultLines = 100;
/** What led to a failure was written before it. */
const beforeIncidentMs = 60_000;

interface Window {
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Where lines bear no times: only of these runs. */
  readonly runs?: ReadonlySet<string>;
}

export async function logs(context: Context, { args, options }: LogsInput): Promise<ExitCode> {
  const { NAME: agent } = args;
  const { incident, since, follow } = options;
  if (incident !== undefined && (follow || since !== undefined))
    throw agentctlErrors.make("CLI_E_USAGE", "--incident says by itself from when to when");
  const sinceMs = since === undefined ? undefined : instantOf(since);
  const instance = await locateInstance(options.state, context);
  const signal = context.interrupt;
  const { source, history } = await openLogs(context, { agent, instance, follow, signal });
  const window: Window =
    incident === undefined
      ? { ...(sinceMs === undefined ? {} : { sinceMs }) }
      : windowOf(agent, incident, await entriesOf(instance, incident, signal));
  const bounded = sinceMs !== undefined || incident !== undefined;
  const newest = options.lines ?? (bounded ? undefined : defaultLines);
  const query: SourceQuery = {
    agent,
    newest,
    follow,
    signal,
    sinceMs: window.sinceMs,
    untilMs: window.untilMs,
  };
  for await (const found of source(query)) {
    const line = history.place(found);
    if (line.time === null && window.runs?.has(line.run ?? "") === false) continue;
    await context.output.record(JSON.stringify(line), () => textOf(line));
  }
  return exitCode.ok;
}

/** @throws CLI_E_USAGE for what is no incident of the agent */
function windowOf(agent: string, incident: string, entries: readonly Entry[]): Window {
  const own = entries.filter(({ subject }) => subject === agent);
  const [first] = own;
  if (first === undefined) {
    throw agentctlErrors.make("CLI_E_USAGE", `the ledger has no incident ${incident} of the agent ${agent}`);
  }
  const end = own.find(({ action }) => Object.hasOwn(ends, action));
  return {
    sinceMs: Date.parse(momentOf(first)) - beforeIncidentMs,
    // Rounded up: what was written in that millisecond belongs to it.
    ...(end === undefined ? {} : { untilMs: Date.parse(momentOf(end)) + 1 }),
    runs: new Set(own.map(({ run }) => run).filter((run) => run !== undefined)),
  };
}

async function entriesOf(
  { sockets }: Instance,
  incident: string,
  signal: AbortSignal,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const filter = { incident };
  for await (const { entry } of readEntries({ socket: sockets.operatorLedger, filter, signal }))
    entries.push(entry);
  return entries;
}

function textOf({ time, message }: LogLine): string {
  return time === null ? printable(message) : `${time}  ${printable(message)}`;
}

/**
 * A time, or how long ago it was.
 *
 * @throws CLI_E_USAGE
 */
function instantOf(text: string): number {
  const ago = parseDuration(text);
  const time = ago.ok ? Date.now() - ago.value : parseInstant(text);
  if (time !== null) return time;
  throw agentctlErrors.make("CLI_E_USAGE", `--since ${notAnInstant(text)}`, {
    hint: "How long ago it was will do as well, such as 10m.",
  });
}
