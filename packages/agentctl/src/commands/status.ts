import { type ExitCode, exitCode } from "@daruma/base";
import type { Context } from "../cli/command.ts";
import type { Paint, Style } from "../cli/output.ts";
import { formatTable } from "../cli/table.ts";
import { locateInstance } from "../instance/locate.ts";
import {
  type AgentStatus,
  type RollbackStatus,
  type StatusDocument,
  watchdClient,
} from "../instance/watchd-client.ts";
import { elapsed } from "../story/elapsed.ts";

export interface StatusInput {
  readonly options: { readonly state: string | undefined };
}

export async function status(context: Context, { options }: StatusInput): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await watchdClient(sockets.watchd).status();
  await context.output.result(document, () => describeStatus(document, context.output.paint));
  return isWell(document) ? exitCode.ok : exitCode.unhealthy;
}

/** Whether every required agent is proven, with what its generation declares, and there is anything to be proven at all. */
export function isWell({ generation, agents }: StatusDocument): boolean {
  const asDeclared = ({ standIn = null }: AgentStatus) => standIn === null;
  return (
    generation !== null && agents.every((agent) => !agent.required || (isProven(agent) && asDeclared(agent)))
  );
}

export function isProven(agent: AgentStatus): boolean {
  return (agent.phase === "healthy" || agent.phase === "completed") && agent.waitsFor === null;
}

export function describeStatus(document: StatusDocument, paint: Paint): readonly string[] {
  return [
    ...headLines(document),
    "",
    ...(document.agents.length === 0 ? ["no agents"] : agentLines(document.agents, paint)),
  ];
}

function headLines(document: StatusDocument): string[] {
  const { host, generation, rollback, rollbackAtBoot = null, draining, quarantine, ledger } = document;
  const lines = [
    `host        ${host || "-"}`,
    `generation  ${generation === null ? "nothing deployed" : `${generation.number}, ${standing(generation)}`}`,
  ];
  if (rollback !== null) lines.push(`rollback    ${wayOf(rollback)}`);
  if (rollbackAtBoot !== null)
    lines.push(`reboot      completes the rollback ${wayOf(rollbackAtBoot)}: the switch has failed`);
  if (draining) lines.push("stopping    everything is being stopped");
  if (quarantine.length > 0) {
    lines.push(
      `quarantine  ${quarantine.map(({ number, agent }) => `generation ${number} (${agent})`).join(", ")}`,
    );
  }
  if (!ledger.connected || ledger.waiting > 0) {
    const state = ledger.connected ? "behind" : "not reachable";
    lines.push(`ledger      ${state}; ${ledger.waiting} entries wait in watchd's journal`);
  }
  return lines;
}

function wayOf({ agent, by, target, targetNumber }: RollbackStatus): string {
  return `to generation ${targetNumber ?? target}, ${agent === null ? `by ${by}` : `because of ${agent}`}`;
}

function standing(generation: NonNullable<StatusDocument["generation"]>): string {
  if (generation.knownGood) return "known-good";
  if (generation.promotion === "verifying") return "on probation, its files are being verified";
  if (generation.promotion === "done") return "not known-good";
  const { probationEndsInMs, heldUpBy } = generation;
  return probationEndsInMs === null
    ? `on probation, waiting for ${awaited(heldUpBy)}`
    : `on probation for ${elapsed(probationEndsInMs)} more`;
}

/** More names than a line has room for. */
const manyNames = 4;

function awaited(heldUpBy: NonNullable<StatusDocument["generation"]>["heldUpBy"]): string {
  const { agents = [], ledger = false } = heldUpBy ?? {};
  if (agents.length === 0 && !ledger)
    return "every required agent to be healthy and the ledger to take entries";
  const shown = agents.slice(0, manyNames).join(", ");
  const more = agents.length > manyNames ? ` and ${agents.length - manyNames} more` : "";
  const names = agents.length === 0 ? [] : [`${shown}${more} to be well`];
  return [...names, ...(ledger ? ["the ledger to take entries"] : [])].join(", and for ");
}

function agentLines(agents: readonly AgentStatus[], paint: Paint): string[] {
  const [header = "", ...rows] = formatTable(
    ["AGENT", "PHASE", "PID", "UPTIME", "RESTARTS", "NOTE"],
    agents.map((agent) => [
      agent.name,
      agent.phase,
      agent.pid === null ? "" : String(agent.pid),
      agent.uptimeMs === null ? "" : elapsed(agent.uptimeMs),
      String(agent.restarts),
      noteOf(agent),
    ]),
  );
  const painted = rows.map((row, index) => {
    const agent = agents[index];
    return agent === undefined
      ? row
      : row.replace(` ${agent.phase} `, ` ${paint(styleOf(agent), agent.phase)} `);
  });
  return [paint("dim", header), ...painted];
}

function styleOf(agent: AgentStatus): Style {
  if (isProven(agent)) return "green";
  return agent.held || agent.phase === "failed" ? "red" : "yellow";
}

const standstill = {
  person: "stopped by a person",
  outside: "stopped through systemd",
  none: undefined,
} as const;

function standInNote({ standIn = null }: AgentStatus): string | undefined {
  if (standIn === null) return undefined;
  if (standIn.kind === "fallback") return "on its fallback settings";
  return standIn.number === null ? "on earlier settings" : `as in generation ${standIn.number}`;
}

/** Checks that fail now and then, from one in ten on: it is not proven so, and half of them would be too many. */
function checksNote({ checks = null }: AgentStatus): string | undefined {
  if (checks === null || checks.missed * 10 < checks.of) return undefined;
  return `has missed ${checks.missed} of its last ${checks.of} checks`;
}

function noteOf(agent: AgentStatus): string {
  const notes = [
    agent.required ? undefined : "not required",
    standstill[agent.stoppedBy ?? "none"],
    standInNote(agent),
    agent.waitsFor === null ? undefined : `waits for ${agent.waitsFor}`,
    checksNote(agent),
    agent.incident === null ? undefined : `${agent.incident.id}: ${agent.incident.cause}`,
    agent.restartInMs === null ? undefined : `starts in ${elapsed(agent.restartInMs)}`,
    agent.held ? "held at the longest backoff" : undefined,
  ];
  return notes.filter((note) => note !== undefined).join("; ");
}
