import { type ExitCode, exitCode } from "@daruma/base";
import type { Context } from "../cli/command.ts";
import type { Paint, Style } from "../cli/output.ts";
import { formatTable } from "../cli/table.ts";
import { locateInstance } from "../instance/locate.ts";
import { type AgentStatus, type StatusDocument, watchdClient } from "../instance/watchd-client.ts";
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

function headLines({ host, generation, rollback, draining, quarantine, ledger }: StatusDocument): string[] {
  const lines = [
    `host        ${host || "-"}`,
    `generation  ${generation === null ? "nothing deployed" : `${generation.number}, ${standing(generation)}`}`,
  ];
  if (rollback !== null) {
    const because = rollback.agent === null ? `by ${rollback.by}` : `because of ${rollback.agent}`;
    lines.push(`rollback    to generation ${rollback.targetNumber ?? rollback.target}, ${because}`);
  }
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

function standing(generation: NonNullable<StatusDocument["generation"]>): string {
  if (generation.knownGood) return "known-good";
  if (generation.promotion === "verifying") return "on probation, its files are being verified";
  if (generation.promotion === "done") return "not known-good";
  const { probationEndsInMs } = generation;
  return probationEndsInMs === null
    ? "on probation, waiting for every required agent to be healthy and the ledger to take entries"
    : `on probation for ${elapsed(probationEndsInMs)} more`;
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

function noteOf(agent: AgentStatus): string {
  const notes = [
    agent.required ? undefined : "not required",
    standstill[agent.stoppedBy ?? "none"],
    standInNote(agent),
    agent.waitsFor === null ? undefined : `waits for ${agent.waitsFor}`,
    agent.incident === null ? undefined : `${agent.incident.id}: ${agent.incident.cause}`,
    agent.restartInMs === null ? undefined : `starts in ${elapsed(agent.restartInMs)}`,
    agent.held ? "held at the longest backoff" : undefined,
  ];
  return notes.filter((note) => note !== undefined).join("; ");
}
