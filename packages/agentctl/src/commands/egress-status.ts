import { baseErrors, callUnix, type ExitCode, exitCode } from "@daruma/base";
import type { AgentDoorStatus, EgressdStatus } from "@daruma/egress";
import type { Context } from "../cli/command.ts";
import type { Paint, Style } from "../cli/output.ts";
import { formatTable } from "../cli/table.ts";
import { locateInstance } from "../instance/locate.ts";

export interface EgressStatusInput {
  readonly options: { readonly state: string | undefined };
}

export async function egressStatus(context: Context, { options }: EgressStatusInput): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await callUnix({ path: sockets.egressd, method: "GET", route: "/v1/status" });
  if (Reflect.get(Object(document), "schemaVersion") !== 1) {
    const message = `${sockets.egressd} answered with a document of an unknown version`;
    throw baseErrors.make("SOCKET_E_PROTOCOL", message, { where: sockets.egressd });
  }
  const status = document as EgressdStatus;
  await context.output.result(status, () => describeEgress(status, context.output.paint));
  return isKept(status) ? exitCode.ok : exitCode.unhealthy;
}

/** Whether all agents and routines whose rules are to be enforced are proven to be behind the wall. */
export function isKept({ agents }: Pick<EgressdStatus, "agents">): boolean {
  return Object.values(agents).every(({ mode, enforced }) => mode === "observe" || enforced);
}

export function describeEgress({ agents }: Pick<EgressdStatus, "agents">, paint: Paint): readonly string[] {
  const names = Object.keys(agents).sort();
  if (names.length === 0) return ["no agent and no routine is confined"];
  const rows = names.flatMap((name) => {
    const agent = agents[name];
    return agent === undefined ? [] : [{ name, agent, standing: standingOf(agent) }];
  });
  const [header = "", ...lines] = formatTable(
    ["WHO", "ENFORCED", "CONNECTIONS", "DENIED", "NOTE"],
    rows.map(({ name, agent, standing }) => [
      name,
      standing.word,
      String(agent.connections),
      String(agent.denied),
      [standing.note, ...notesOf(agent)].filter((note) => note !== undefined).join("; "),
    ]),
  );
  const painted = lines.map((line, index) => {
    const standing = rows[index]?.standing;
    return standing === undefined
      ? line
      : line.replace(` ${standing.word} `, ` ${paint(standing.style, standing.word)} `);
  });
  return [paint("dim", header), ...painted];
}

interface Standing {
  readonly word: "yes" | "no" | "unproven";
  readonly style: Style;
  readonly note?: string;
}

function standingOf({ mode, enforced, proof }: AgentDoorStatus): Standing {
  if (enforced && proof.state === "proven")
    return { word: "yes", style: "green", note: `tested at ${proof.at}` };
  if (mode === "observe") return { word: "no", style: "yellow", note: "only observed" };
  switch (proof.state) {
    case "open":
      return { word: "no", style: "red", note: proof.problems.join(", ") };
    case "unclear":
      return { word: "unproven", style: "yellow", note: proof.problems.join(", ") };
    default:
      return { word: "unproven", style: "yellow", note: "not tested yet" };
  }
}

function notesOf({ listening, port, failures }: AgentDoorStatus): string[] {
  return [
    ...(listening ? [] : [`port ${port}, or a forward, is taken by another process`]),
    ...failures.map(({ target, code }) => `${target}: ${code}`),
  ];
}
