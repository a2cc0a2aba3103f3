import { type ExitCode, exitCode } from "@daruma/base";
import { type Entry, ledgerValues, type ReadOptions } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { printable } from "../cli/render-error.ts";
import { formatTable } from "../cli/table.ts";
import { type Incident, landmarks, summarize } from "../incident/incident.ts";
import { readLog } from "../incident/logs.ts";
import {
  describeIncident,
  incidentMarkdown,
  type PostMortem,
  postMortemDocument,
} from "../incident/report.ts";
import { type Instance, locateInstance } from "../instance/locate.ts";
import { collectEntries } from "../story/collect.ts";
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

/** Incidents that are asked for at once when they are listed. */
const askedAtOnce = 8;

/** An incident of fewer entries is read as a whole. */
const shortIncident = 50;

/** Of an agent that is held back for months, so many steps are shown from the beginning and from the end. */
const stepsAtEachEnd = 100;

export async function ledgerIncident(context: Context, { args, options }: IncidentInput): Promise<ExitCode> {
  const instance = await locateInstance(options.state, context);
  const { output } = context;
  if (args.ID === undefined) {
    if (options.md) throw agentctlErrors.make("CLI_E_USAGE", "--md needs the ID of an incident");
    const incidents = await listIncidents(context, instance, options.limit);
    await output.result({ schemaVersion: 1, incidents } as const, () => describeList(incidents));
    return exitCode.ok;
  }
  const all = await postMortemOf(context, instance, args.ID);
  await output.result(postMortemDocument(all), () =>
    options.md ? incidentMarkdown(all) : describeIncident(all, output.paint),
  );
  return exitCode.ok;
}

async function listIncidents(context: Context, { sockets }: Instance, limit: number): Promise<Incident[]> {
  const socket = sockets.operatorLedger;
  const ids = (await ledgerValues({ socket }, "incident", limit)).map(({ value }) => value);
  const incidents: (Incident | null)[] = [];
  for (let from = 0; from < ids.length; from += askedAtOnce) {
    const some = ids.slice(from, from + askedAtOnce);
    incidents.push(...(await Promise.all(some.map((id) => incidentOf(context, socket, id)))));
  }
  return incidents.filter((incident) => incident !== null);
}

/** Most incidents are short: one question is enough. Of a long one only what decides how it went is asked for. */
async function incidentOf(context: Context, socket: string, id: string): Promise<Incident | null> {
  const first = await entriesOf(context, { socket, filter: { incident: id }, limit: shortIncident });
  if (first.length < shortIncident) return summarize(id, first);
  return summarize(id, inOrder([...first.slice(0, 1), ...(await landmarksOf(context, socket, id))]));
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
  const { entries, leftOut } = await stepsOf(context, socket, id);
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
    leftOut,
    after: await entriesOf(context, { ...about, after: last.seq, limit: aroundEntries }),
    log: await readLog(instance.state, incident.agent, incident.began),
  };
}

async function stepsOf(
  context: Context,
  socket: string,
  incident: string,
): Promise<Pick<PostMortem, "entries" | "leftOut">> {
  const about = { socket, filter: { incident } };
  const first = await entriesOf(context, { ...about, limit: stepsAtEachEnd });
  const after = first.at(-1)?.seq;
  if (after === undefined || first.length < stepsAtEachEnd) return { entries: first, leftOut: null };
  const last = await entriesOf(context, { ...about, after, newest: stepsAtEachEnd });
  const before = last[0]?.seq ?? after + 1;
  const between = await entriesOf(context, { ...about, after, before, limit: 1 });
  const ends = [...first, ...last];
  if (between.length === 0) return { entries: ends, leftOut: null };
  // What decides how it went must not be among what is left out.
  const entries = inOrder([...ends, ...(await landmarksOf(context, socket, incident))]);
  return { entries, leftOut: { after, before } };
}

/** The newest entry of each kind that decides how an incident went. */
async function landmarksOf(context: Context, socket: string, incident: string): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  for (const action of landmarks) {
    found.push(...(await entriesOf(context, { socket, filter: { incident, action }, newest: 1 })));
  }
  return found;
}

function inOrder(entries: readonly Entry[]): readonly Entry[] {
  const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

async function entriesOf({ interrupt }: Context, options: ReadOptions): Promise<readonly Entry[]> {
  return (await collectEntries({ ...options, signal: interrupt })).map(({ entry }) => entry);
}
