import { resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import { type AgentEgress, type AgentSpec, agentEgress, type Fleet, type RoutineSpec } from "@daruma/config";
import { explainTarget } from "@daruma/egress";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { loadFleet } from "../compile/index.ts";

export interface ExplainInput {
  readonly args: { readonly TARGET: string };
  readonly options: {
    readonly agent: string | undefined;
    readonly routine: string | undefined;
    readonly host: string | undefined;
    readonly config: string;
  };
}

export async function egressExplain(context: Context, { args, options }: ExplainInput): Promise<ExitCode> {
  const { agent, routine, host } = options;
  const who = whoOf(agent, routine);
  const configFile = resolve(context.cwd, options.config);
  const fleet = await loadFleet({ configFile, signal: context.interrupt });
  const found = policyOf(fleet, who, host);
  const explanation = explainTarget(found.policy, args.TARGET);
  const document = {
    schemaVersion: 1,
    ...explanation,
    agent: agent ?? null,
    routine: routine ?? null,
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

interface Who {
  readonly noun: "agent" | "routine";
  readonly name: string;
}

/** @throws CLI_E_USAGE */
function whoOf(agent: string | undefined, routine: string | undefined): Who {
  if (agent !== undefined && routine !== undefined)
    throw agentctlErrors.make("CLI_E_USAGE", "--agent and --routine are one too many");
  if (agent !== undefined) return { noun: "agent", name: agent };
  if (routine !== undefined) return { noun: "routine", name: routine };
  throw agentctlErrors.make("CLI_E_USAGE", "--agent NAME or --routine NAME is missing");
}

/** @throws EGRESS_E_AGENT, EGRESS_E_HOST */
function policyOf(
  fleet: Fleet,
  { noun, name }: Who,
  wanted: string | undefined,
): { readonly host: string; readonly policy: AgentEgress | null } {
  const hosts = Object.entries(fleet.hosts).filter(([host]) => wanted === undefined || host === wanted);
  if (hosts.length === 0) {
    const all = Object.keys(fleet.hosts).sort().join(", ");
    throw agentctlErrors.make("EGRESS_E_HOST", `the fleet has no host ${wanted}; it has ${all}`);
  }
  const [found, ...others] = hosts.flatMap(([host, declared]) => {
    const each: Readonly<Record<string, AgentSpec | RoutineSpec>> = declared[`${noun}s`];
    const own = Object.hasOwn(each, name) ? each[name] : undefined;
    return own === undefined ? [] : [{ host, policy: agentEgress(declared.egress, own.egress) }];
  });
  if (found === undefined) {
    const known = [...new Set(hosts.flatMap(([, host]) => Object.keys(host[`${noun}s`])))].sort().join(", ");
    const where = wanted === undefined ? "the fleet" : wanted;
    throw agentctlErrors.make("EGRESS_E_AGENT", `${where} has no ${noun} ${name}; it has ${known || "none"}`);
  }
  if (others.length === 0) return found;
  const names = [found, ...others].map(({ host }) => host).join(", ");
  throw agentctlErrors.make(
    "EGRESS_E_HOST",
    `several hosts have ${noun === "agent" ? "an agent" : "a routine"} ${name}: ${names}`,
  );
}
