import { type ExitCode, exitCode } from "@daruma/base";
import type { Context } from "../cli/command.ts";
import type { Paint } from "../cli/output.ts";
import { formatTable } from "../cli/table.ts";
import { locateInstance } from "../instance/locate.ts";
import { type AlertMessage, type AlertsDocument, watchdClient } from "../instance/watchd-client.ts";
import { person } from "./person.ts";

interface StateOption {
  readonly options: { readonly state: string | undefined };
}

/** `agentctl alert list` */
export async function alertList(context: Context, { options }: StateOption): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await watchdClient(sockets.watchd).alerts();
  await context.output.result(document, () => describeAlerts(document, context.output.paint));
  const fails = document.sinks.some(({ state }) => state !== "ok") || document.deadMansSwitch?.why != null;
  return fails ? exitCode.unhealthy : exitCode.ok;
}

/** `agentctl alert test [SINK]` */
export async function alertTest(
  context: Context,
  { args, options }: StateOption & { readonly args: { readonly SINK: string | undefined } },
): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await watchdClient(sockets.watchd).testAlerts(args.SINK, person(context));
  await context.output.result(document, () => document.results.map(describeTest));
  return document.results.every(({ state }) => state === "sent") ? exitCode.ok : exitCode.unhealthy;
}

export function describeAlerts(document: AlertsDocument, paint: Paint): readonly string[] {
  const { sinks, open, messages, deadMansSwitch } = document;
  if (sinks.length === 0 && deadMansSwitch === null)
    return ["nobody is told of anything: there are no sinks"];
  const table = (header: readonly string[], rows: readonly (readonly string[])[]) => {
    const [first = "", ...rest] = formatTable(header, rows);
    return [paint("dim", first), ...rest];
  };
  const sinkRows = sinks.map((sink) => [
    sink.name,
    sink.kind,
    sink.state,
    String(sink.waiting + sink.gathered + sink.unlisted),
    [sink.why ?? "", sink.unlisted === 0 ? "" : `${sink.unlisted} of them only counted`]
      .filter((part) => part !== "")
      .join("; "),
  ]);
  const openRows = open.map(({ key, severity, since, title }) => [key, severity, since, title]);
  const messageRows = messages.map((message) => [
    message.id,
    message.sink,
    message.state,
    message.kind,
    message.members === 0 ? message.title : `${message.title} (digest)`,
    message.why ?? "",
  ]);
  return [
    ...(sinks.length === 0 ? [] : table(["SINK", "KIND", "STATE", "WAITING", "WHY"], sinkRows)),
    ...(deadMansSwitch === null ? [] : [describeSwitch(deadMansSwitch)]),
    ...(open.length === 0 ? [] : ["", ...table(["OPEN", "SEVERITY", "SINCE", "WHAT"], openRows)]),
    ...(messages.length === 0
      ? []
      : ["", ...table(["MESSAGE", "SINK", "STATE", "KIND", "WHAT", "WHY"], messageRows)]),
  ];
}

function describeSwitch({ lastBeatAt, why }: NonNullable<AlertsDocument["deadMansSwitch"]>): string {
  const last = lastBeatAt === null ? "not yet" : lastBeatAt;
  return `dead man's switch: last asked for ${last}${why === null ? "" : `; ${why}`}`;
}

function describeTest({ sink, state, why, providerId }: AlertMessage): string {
  if (state === "sent") return `${sink}: sent${providerId === null ? "" : ` (${providerId})`}`;
  return `${sink}: ${state === "waiting" ? "not taken yet" : state}: ${why ?? "no answer"}`;
}
