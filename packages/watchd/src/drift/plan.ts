import type { Difference } from "./difference.ts";

/** All that is to be done for several differences, each thing once, in the order in which it is done. */
export interface Plan {
  /** Moved out of the way. */
  readonly setAside: readonly string[];
  /** Kept as well, but the switch puts what is declared in their place: nothing is missing in between. */
  readonly keep: readonly string[];
  readonly repair: readonly string[];
  /** systemd has to read the units again. */
  readonly reload: boolean;
  readonly switchAgain: boolean;
  readonly start: readonly string[];
  /** Units that begin anew. */
  readonly restart: readonly string[];
  /** Agents that begin anew; `runId` null for whatever run there is. */
  readonly agents: readonly { readonly agent: string; readonly runId: string | null }[];
}

const watchdUnit = "daruma-watchd.service";

/** Pure. */
export function planOf(differences: readonly Difference[]): Plan {
  const remedies = differences.map(({ remedy }) => remedy);
  const agents = new Map<string, string | null>();
  for (const remedy of remedies) {
    if (remedy.kind === "restart") agents.set(remedy.agent, remedy.runId);
    if (remedy.kind === "repair") for (const agent of remedy.agents) agents.set(agent, null);
  }
  const restart = new Set(remedies.flatMap((remedy) => (remedy.kind === "remove" ? remedy.units : [])));
  return {
    setAside: remedies.flatMap((remedy) => (remedy.kind === "remove" ? [remedy.path] : [])),
    keep: remedies.flatMap((remedy) =>
      remedy.kind === "switch" && remedy.setAside !== null ? [remedy.setAside] : [],
    ),
    repair: remedies.flatMap((remedy) => (remedy.kind === "repair" ? [remedy.path] : [])),
    reload: remedies.some(({ kind }) => kind === "remove" || kind === "reload"),
    switchAgain: remedies.some(({ kind }) => kind === "switch"),
    start: [...new Set(remedies.flatMap((remedy) => (remedy.kind === "start" ? [remedy.unit] : [])))],
    // What restarts watchd comes last: nothing is done after it.
    restart: [...restart].sort((a, b) => Number(a === watchdUnit) - Number(b === watchdUnit)),
    agents: [...agents]
      .filter(([agent]) => !restart.has(`daruma-agent-${agent}.service`))
      .map(([agent, runId]) => ({ agent, runId })),
  };
}
