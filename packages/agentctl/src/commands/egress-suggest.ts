import { type ExitCode, exitCode } from "@daruma/base";
import { parseTarget } from "@daruma/egress";
import type { Entry } from "@daruma/ledger";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { collectEntries } from "../story/collect.ts";
import { subjectOf } from "./egress-log.ts";

export interface SuggestInput {
  readonly options: {
    readonly agent: string | undefined;
    readonly routine: string | undefined;
    readonly state: string | undefined;
  };
}

export interface Suggestion {
  /** As it would stand in a fleet file. */
  readonly entry: SuggestedEntry;
  /** How often it was used. */
  readonly times: number;
}

type SuggestedEntry =
  | string
  | { readonly host: string; readonly port: number; readonly private: true }
  | { readonly cidr: string; readonly port: number };

/** What an allowance would cure; a denial, or a request that was wrong, it would not. */
const curable: ReadonlySet<unknown> = new Set(["not-allowed", "port-not-allowed", "address-not-public"]);

export async function egressSuggest(context: Context, { options }: SuggestInput): Promise<ExitCode> {
  const subject = subjectOf(options);
  const { sockets } = await locateInstance(options.state, context);
  const filter = { action: "egress.would-deny", ...(subject === undefined ? {} : { subject }) };
  const observed = await collectEntries({
    socket: sockets.operatorLedger,
    filter,
    signal: context.interrupt,
  });
  const agents = suggestionsFor(observed.map(({ entry }) => entry));
  await context.output.result({ schemaVersion: 1, agents }, () => {
    const names = Object.keys(agents);
    if (names.length === 0) return ["nothing was observed that is not allowed already"];
    return names.flatMap((name) => [
      `${name}:`,
      "  egress: [",
      ...(agents[name] ?? []).map(
        ({ entry, times }) => `    ${printed(entry)}, // ${times === 1 ? "once" : `${times} times`}`,
      ),
      "  ],",
    ]);
  });
  return exitCode.ok;
}

/** For each agent and routine, the entries that would have allowed what was observed, the most used first. */
export function suggestionsFor(observed: readonly Entry[]): Readonly<Record<string, readonly Suggestion[]>> {
  const found = new Map<string, Map<string, Suggestion>>();
  for (const { subject, details } of observed) {
    const entry = entryFor(details);
    if (entry === null) continue;
    const known = found.get(subject) ?? new Map<string, Suggestion>();
    const key = JSON.stringify(entry);
    const times = (known.get(key)?.times ?? 0) + (typeof details.times === "number" ? details.times : 1);
    known.set(key, { entry, times });
    found.set(subject, known);
  }
  return Object.fromEntries(
    [...found].sort(byName).map(([agent, entries]) => [agent, [...entries.values()].sort(byUse)]),
  );
}

function entryFor({ target, reason }: Entry["details"]): SuggestedEntry | null {
  if (typeof target !== "string" || !curable.has(reason)) return null;
  const parsed = parseTarget(target);
  if (!parsed.ok) return null;
  const { host, port } = parsed.target;
  if (host.kind === "address")
    return { cidr: `${host.address}/${host.address.includes(":") ? 128 : 32}`, port };
  return reason === "address-not-public" ? { host: host.name, port, private: true } : `${host.name}:${port}`;
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function byUse(a: Suggestion, b: Suggestion): number {
  return b.times - a.times || (JSON.stringify(a.entry) < JSON.stringify(b.entry) ? -1 : 1);
}

function printed(entry: SuggestedEntry): string {
  if (typeof entry === "string") return JSON.stringify(entry);
  return `{ ${Object.entries(entry)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
    .join(", ")} }`;
}
