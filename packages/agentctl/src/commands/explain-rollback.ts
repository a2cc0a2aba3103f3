import { type ExitCode, exitCode } from "@daruma/base";
import type { Entry, EntryFilter } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import type { Paint } from "../cli/output.ts";
import { printable } from "../cli/render-error.ts";
import { decisions, isObject, momentOf } from "../incident/incident.ts";
import { judgementIn, readJudgement } from "../incident/judgement.ts";
import { type Instance, locateInstance } from "../instance/locate.ts";
import { type Judgement, watchdClient } from "../instance/watchd-client.ts";
import { collectEntries } from "../story/collect.ts";

export interface ExplainInput {
  readonly args: { readonly INCIDENT: string | undefined };
  readonly options: { readonly state: string | undefined };
}

/** One decision for or against a tier of the agent's policy, or how one would be made now. */
export interface Explanation extends Judgement {
  /** `fallback`, `rollback-agent` or `rollback`. */
  readonly to: string;
  readonly incident: string;
  readonly agent: string;
  /** When it was decided (RFC 3339); null: it was judged now, and nothing is decided. */
  readonly at: string | null;
  readonly rollBack: boolean;
  /** What came of a rollback, as far as the ledger knows. */
  readonly outcome: string | null;
}

/** Of an agent that is held for months there are many. */
const mostDecisions = 20;

const outcomes: Readonly<Record<string, string>> = {
  "agent.stand-in": "the settings were put in force",
  "agent.stand-in-refused": "the earlier settings could not be put in force",
  "generation.rolled-back": "the target became current",
  "generation.rollback-failed": "the switch did not come about",
  "generation.rollback-abandoned": "somebody switched meanwhile",
};

/** What can come of each tier. */
const endsOf: Readonly<Record<string, readonly string[]>> = {
  fallback: ["agent.stand-in"],
  "rollback-agent": ["agent.stand-in", "agent.stand-in-refused"],
  rollback: Object.keys(outcomes).filter((action) => action.startsWith("generation.")),
};

export async function explainRollback(context: Context, { args, options }: ExplainInput): Promise<ExitCode> {
  const instance = await locateInstance(options.state, context);
  const explanations =
    args.INCIDENT === undefined
      ? await latest(context, instance)
      : await ofIncident(context, instance, args.INCIDENT);
  const document = { schemaVersion: 1, explanations } as const;
  await context.output.result(document, () => describeExplanations(explanations, context.output.paint));
  return exitCode.ok;
}

async function latest(context: Context, instance: Instance): Promise<readonly Explanation[]> {
  const open = await judgedNow(instance);
  if (open.length > 0) return open;
  const entry = (await newest(context, instance, decisions, {}, 1)).at(-1);
  return entry?.incident === undefined ? [] : (await decided(context, instance, entry.incident)).slice(-1);
}

async function ofIncident(
  context: Context,
  instance: Instance,
  incident: string,
): Promise<readonly Explanation[]> {
  const made = await decided(context, instance, incident);
  // A past incident is explained by the ledger alone, also while watchd is down.
  const open = await judgedNow(instance).catch((error) => {
    if (made.length === 0) throw error;
    return [];
  });
  const all = [...made, ...open.filter((each) => each.incident === incident)];
  if (all.length > 0) return all;
  const known = await newest(context, instance, [undefined], { incident }, 1);
  if (known.length > 0) return [];
  throw agentctlErrors.make("INCIDENT_E_UNKNOWN", `the ledger knows no incident ${printable(incident)}`);
}

async function judgedNow({ sockets }: Instance): Promise<readonly Explanation[]> {
  const { judgements } = await watchdClient(sockets.watchd).judgements();
  return judgements.map(({ agent, incident, to = "rollback", target, toNumber, rules }) => ({
    ...{ incident, agent, to, target, toNumber, rules },
    at: null,
    rollBack: target !== null,
    outcome: null,
  }));
}

async function decided(
  context: Context,
  instance: Instance,
  incident: string,
): Promise<readonly Explanation[]> {
  const entries = await newest(context, instance, decisions, { incident }, mostDecisions);
  const ends = await newest(context, instance, Object.keys(outcomes), { incident }, mostDecisions);
  return entries.flatMap((entry) => {
    const rollBack = entry.action === "recovery.escalate";
    const to = rollBack ? String(entry.details.to ?? "rollback") : "rollback";
    const expected = endsOf[to] ?? [];
    const end = rollBack
      ? ends.find(({ seq, action }) => seq > entry.seq && expected.includes(action))
      : undefined;
    const about = { incident, agent: entry.subject, at: momentOf(entry) };
    return [
      ...othersIn(entry).map((other) => ({ ...about, ...other, rollBack: false, outcome: null })),
      {
        ...about,
        ...{ to, rollBack, ...judgementIn(entry) },
        outcome: end === undefined ? null : outcomeOf(end),
      },
    ];
  });
}

/** The tiers that were looked at beside the one that an entry tells of. */
function othersIn({ details }: Entry): readonly (Judgement & { readonly to: string })[] {
  const others = isObject(details.others) ? Object.entries(details.others) : [];
  return others.flatMap(([to, other]) => (isObject(other) ? [{ to, ...readJudgement(other) }] : []));
}

function outcomeOf({ action, details }: Entry): string {
  const problems = Array.isArray(details.problems) ? details.problems.map(String) : [];
  return [outcomes[action] ?? action, ...problems].join("; ");
}

/** The newest so many of each of the actions, oldest first. */
async function newest(
  { interrupt: signal }: Context,
  { sockets }: Instance,
  actions: readonly (string | undefined)[],
  about: Pick<EntryFilter, "incident">,
  count: number,
): Promise<readonly Entry[]> {
  const ask = (action: string | undefined) => {
    const filter = action === undefined ? about : { ...about, action };
    return collectEntries({ socket: sockets.operatorLedger, filter, newest: count, signal });
  };
  const found = (await Promise.all(actions.map(ask))).flat();
  return found.map(({ entry }) => entry).sort((a, b) => a.seq - b.seq);
}

export function describeExplanations(explanations: readonly Explanation[], paint: Paint): readonly string[] {
  if (explanations.length === 0)
    return ["no rollback was decided for or against: restarting has been enough, or nothing has failed"];
  return explanations.flatMap((each, index) => [...(index === 0 ? [] : [""]), ...describe(each, paint)]);
}

function describe(explanation: Explanation, paint: Paint): readonly string[] {
  const { incident, agent, at, rules, outcome } = explanation;
  const width = Math.max(...rules.map(({ rule }) => rule.length));
  return [
    `${printable(agent)}  ${printable(incident)}  ${at ?? "now"}  ${verdict(explanation)}`,
    ...rules.map(({ rule, holds, why }) => {
      const mark = holds ? paint("green", "✓") : paint("red", "✗");
      return `  ${mark} ${printable(rule).padEnd(width)}  ${printable(why)}`;
    }),
    ...(outcome === null ? [] : [`  → ${printable(outcome)}`]),
  ];
}

function verdict({ to, at, rollBack, toNumber, target }: Explanation): string {
  const where = toNumber === null ? (target ?? "an earlier generation") : `generation ${toNumber}`;
  if (to === "fallback") return `${said(at, rollBack, "given")} its fallback settings`;
  const what = to === "rollback-agent" ? "rolled back alone" : "rolled back";
  return `${said(at, rollBack, what)}${rollBack ? ` to ${where}` : ""}`;
}

function said(at: string | null, does: boolean, what: string): string {
  if (at !== null) return does ? what : `not ${what}`;
  return does ? `would be ${what}` : `would not be ${what}`;
}
