import { type ExitCode, exitCode } from "@daruma/base";
import { type Entry, ledgerValues, type ReadOptions, readEntries } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { printable } from "../cli/render-error.ts";
import { formatTable } from "../cli/table.ts";
import { type Incident, stepsOf, summarize, verdictsOf } from "../incident/incident.ts";
import { readLog } from "../incident/logs.ts";
import { describeIncident, incidentMarkdown, type PostMortem } from "../incident/report.ts";
import { type Instance, locateInstance } from "../instance/locate.ts";
import { elapsed } from "../story/elapsed.ts";

export interface IncidentInput {
  readonly args: { readonly ID: string | undefined };
  readonly options: {
    readonly limit: number;
    readonly md: boolean;
    readonly state: string | undefined;
  };
}

/** Entries of the agent that are shown from before and after an incident. */
const aroundEntries = 10;

export async function ledgerIncident(context: Context, { args, options }: IncidentInput): Promise<ExitCode> {
  const instance = await locateInstance(options.state, context);
  if (args.ID === undefined) return await listIncidents(context, instance, options.limit);
  const all = await postMortemOf(context, instance, args.ID);
  const document = {
    schemaVersion: 1,
    ...all,
    entries: stepsOf(all.entries),
    rules: verdictsOf(all.entries),
  } as const;
  await context.output.result(document, () =>
    options.md ? incidentMarkdown(all) : describeIncident(all, context.output.paint),
  );
  return exitCode.ok;
}

async function listIncidents(context: Context, { sockets }: Instance, limit: number): Promise<ExitCode> {
  const socket = sockets.operatorLedger;
  const incidents: Incident[] = [];
  for (const { value } of await ledgerValues({ socket }, "incident", limit)) {
    const entries = await entriesOf(context, { socket, filter: { incident: value } });
    const incident = summarize(value, entries);
    if (incident !== null) incidents.push(incident);
  }
  await context.output.result({ schemaVersion: 1, incidents } as const, () => describeList(incidents));
  return exitCode.ok;
}

function describeList(incidents: readonly Incident[]): readonly string[] {
  if (incidents.length === 0) return ["no incidents"];
  return formatTable(
    ["INCIDENT", "AGENT", "CAUSE", "BEGAN", "END", "DURATION", "ROLLBACK"],
    incidents.map(({ id, agent, cause, began, outcome, durationMs, rollback }) =>
      [id, agent, cause, began, outcome, durationMs === null ? "" : elapsed(durationMs), rollback].map(
        printable,
      ),
    ),
  );
}

async function postMortemOf(context: Context, instance: Instance, id: string): Promise<PostMortem> {
  const socket = instance.sockets.operatorLedger;
  const entries = await entriesOf(context, { socket, filter: { incident: id } });
  const incident = summarize(id, entries);
  const [first, last] = [entries[0], entries.at(-1)];
  if (incident === null || first === undefined || last === undefined) {
    throw agentctlErrors.make("INCIDENT_E_UNKNOWN", `the ledger knows no incident ${printable(id)}`);
  }
  const about = { socket, filter: { subject: incident.agent } };
  return {
    incident,
    before: await entriesOf(context, { ...about, before: first.seq, newest: aroundEntries }),
    entries,
    after: await entriesOf(context, { ...about, after: last.seq, limit: aroundEntries }),
    log: await readLog(instance.state, incident.agent, incident),
  };
}

async function entriesOf({ interrupt }: Context, options: ReadOptions): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const { entry } of readEntries({ ...options, signal: interrupt })) entries.push(entry);
  return entries;
}
