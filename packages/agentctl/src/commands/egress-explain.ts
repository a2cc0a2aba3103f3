import { resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import { type AgentEgress, agentEgress, type Fleet } from "@daruma/config";
import { explainTarget } from "@daruma/egress";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { loadFleet } from "../compile/index.ts";

export interface ExplainInput {
  readonly args: { readonly TARGET: string };
  readonly options: {
    readonly agent: string | undefined;
    readonly host: string | undefined;
    readonly config: string;
  };
}

export async function egressExplain(context: Context, { args, options }: ExplainInput): Promise<ExitCode> {
  const { agent, host } = options;
  if (agent === undefined) throw agentctlErrors.make("CLI_E_USAGE", "--agent NAME is missing");
  const configFile = resolve(context.cwd, options.config);
  const fleet = await loadFleet({ configFile, signal: context.interrupt });
  const found = policyOf(fleet, agent, host);
  const explanation = explainTarget(found.policy, args.TARGET);
  const document = {
    schemaVersion: 1,
    ...explanation,
    agent,
    host: found.host,
    mode: found.policy?.mode ?? null,
  } as const;
  await context.output.result(document, () => {
    const word = explanation.decision === "allow" ? "allowed" : "denied";
    const color = explanation.decision === "allow" ? "green" : "red";
    const observed = explanation.decision === "deny" && found.policy?.mode === "observe";
    return [
      `${context.output.paint(color, word)}: ${explanation.message}`,
      ...(observed ? ["egress.mode is observe: it is let through, and recorded"] : []),
    ];
  });
  return exitCode.ok;
}

/** @throws EGRESS_E_AGENT, EGRESS_E_HOST */
function policyOf(
  fleet: Fleet,
  agent: string,
  wanted: string | undefined,
): { readonly host: string; readonly policy: AgentEgress | null } {
  const hosts = Object.entries(fleet.hosts).filter(([name]) => wanted === undefined || name === wanted);
  if (hosts.length === 0) {
    const all = Object.keys(fleet.hosts).sort().join(", ");
    throw agentctlErrors.make("EGRESS_E_HOST", `the fleet has no host ${wanted}; it has ${all}`);
  }
  const [found, ...others] = hosts.flatMap(([host, { agents, egress }]) => {
    const own = Object.hasOwn(agents, agent) ? agents[agent] : undefined;
    return own === undefined ? [] : [{ host, policy: agentEgress(egress, own.egress) }];
  });
  if (found === undefined) {
    const known = [...new Set(hosts.flatMap(([, host]) => Object.keys(host.agents)))].sort().join(", ");
    const where = wanted === undefined ? "the fleet" : wanted;
    throw agentctlErrors.make("EGRESS_E_AGENT", `${where} has no agent ${agent}; it has ${known || "none"}`);
  }
  if (others.length === 0) return found;
  const names = [found, ...others].map(({ host }) => host).join(", ");
  throw agentctlErrors.make("EGRESS_E_HOST", `several hosts have an agent ${agent}: ${names}`);
}
