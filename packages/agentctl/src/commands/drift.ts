import { type ExitCode, exitCode } from "@daruma/base";
import type { Context } from "../cli/command.ts";
import type { Paint } from "../cli/output.ts";
import { printable } from "../cli/printable.ts";
import { locateInstance } from "../instance/locate.ts";
import { type DriftDocument, watchdClient } from "../instance/watchd-client.ts";
import { elapsed } from "../story/elapsed.ts";
import { durationOf } from "./duration.ts";

export interface DriftInput {
  readonly options: { readonly fix: boolean; readonly timeout: string; readonly state: string | undefined };
}

/** `agentctl drift` */
export async function drift(context: Context, { options }: DriftInput): Promise<ExitCode> {
  const timeoutMs = await durationOf(options.timeout);
  const { sockets } = await locateInstance(options.state, context);
  const watchd = watchdClient(sockets.watchd);
  const document = options.fix ? await watchd.fixDrift(timeoutMs) : await watchd.drift(timeoutMs);
  await context.output.result(document, () => describeDrift(document, context.output.paint, Date.now()));
  if (document.differences.length > 0) return exitCode.error;
  return document.unseen.length === 0 ? exitCode.ok : exitCode.unhealthy;
}

/** `now` in Unix milliseconds. */
export function describeDrift(document: DriftDocument, paint: Paint, now: number): readonly string[] {
  const { generation, policy, differences, unseen, notes, store } = document;
  return [
    `generation  ${generation.number}`,
    `policy      ${policy}`,
    `store       ${storeLine(store, now)}`,
    ...unseen.map(({ kind, why }) => paint("red", `not seen    ${printable(`${kind}: ${why}`)}`)),
    ...notes.map((note) => `note        ${printable(note)}`),
    "",
    ...(differences.length === 0
      ? [unseen.length === 0 ? paint("green", "nothing differs") : "nothing that was looked at differs"]
      : differences.flatMap((difference) => [...describeOne(difference, paint, now), ""]).slice(0, -1)),
  ];
}

function describeOne(
  { kind, at, since, diff, remedy, correctable, corrections, held }: DriftDocument["differences"][number],
  paint: Paint,
  now: number,
): readonly string[] {
  const times =
    corrections === 0 ? "" : `, put right ${corrections === 1 ? "once" : `${corrections} times`} before`;
  const left = held ? "; left as it is, for it comes back" : "";
  return [
    paint("red", printable(`${kind}: ${at}`)),
    ...diff.map((line) => {
      const style = line.startsWith("- ") ? "red" : line.startsWith("+ ") ? "green" : "dim";
      return `  ${paint(style, printable(line))}`;
    }),
    `  for ${elapsed(Math.max(0, now - Date.parse(since)))}${times}${left}`,
    `  ${correctable ? "to be done" : "remedy"}: ${printable(remedy)}`,
  ];
}

function storeLine(
  { paths, verified, roundBeganAt, lastRoundEndedAt }: DriftDocument["store"],
  now: number,
): string {
  const ago = (at: number) => `${elapsed(Math.max(0, now - at))} ago`;
  const last = lastRoundEndedAt === null ? "" : `; all of it ${ago(lastRoundEndedAt)}`;
  return `${verified} of ${paths} paths verified since ${ago(roundBeganAt)}${last}`;
}
