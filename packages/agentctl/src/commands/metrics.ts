import { existsSync } from "node:fs";
import { type ExitCode, exitCode } from "@daruma/base";
import {
  type CollectOptions,
  collect,
  expose,
  hostCgroup,
  hostDisks,
  metricNames,
  metricTable,
  readControlGroup,
} from "@daruma/metrics";
import type { Context } from "../cli/command.ts";
import { type Instance, locateInstance, unreachable } from "../instance/locate.ts";

export interface MetricsInput {
  readonly options: { readonly state: string | undefined };
}

export async function metrics(context: Context, { options }: MetricsInput): Promise<ExitCode> {
  const instance = await locateInstance(options.state, context);
  const samples = await collect(optionsFor(instance));
  if (samples.daruma_up?.every(({ value }) => value === 0))
    throw unreachable("no daemon answers", instance.sockets.watchd);
  const document = {
    schemaVersion: 1,
    metrics: metricNames.map((name) => ({ name, ...metricTable[name], samples: samples[name] ?? [] })),
  } as const;
  const text = context.output.json ? "" : await expose(samples);
  await context.output.result(document, () => text.trimEnd().split("\n"));
  return exitCode.ok;
}

function optionsFor({ state, sockets }: Instance): CollectOptions {
  const sources = {
    watchd: { socket: sockets.watchd, route: "/v1/facts" },
    ledgerd: { socket: sockets.operatorLedger, route: "/v1/status" },
    // Where no agent has rules there is none, and no socket of it.
    egressd: existsSync(sockets.egressd) ? { socket: sockets.egressd, route: "/v1/status" } : null,
  };
  return state === null
    ? { sources, disks: hostDisks, readUsage: readControlGroup(hostCgroup) }
    : { sources, disks: [state] };
}
