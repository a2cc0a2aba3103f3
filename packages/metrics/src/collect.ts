import type { AgentFacts } from "@daruma/watchd";
import { readProcess, type UsageReader, usageSamples, withMeasured } from "./agent-usage.ts";
import { egressdSamples, ledgerdSamples, watchdSamples } from "./daemon-samples.ts";
import { type HostUsage, hostSamples, readHost } from "./host-usage.ts";
import { known, one, type Sample, type Samples } from "./sample.ts";
import { type Answer, type Answers, askAll, type Sources } from "./sources.ts";
import { type MetricName, metricNames } from "./table.ts";

export interface CollectOptions {
  readonly sources: Sources;
  readonly readUsage?: UsageReader;
  /** Paths whose file systems are measured. */
  readonly disks: readonly string[];
  /** How long a daemon may take to answer. Default 1,000. */
  readonly withinMs?: number;
}

/** Everything that there is to be known now. Never rejects; takes no longer than the slowest daemon may. */
export async function collect(options: CollectOptions): Promise<Samples> {
  const [answers, host] = await Promise.all([
    askAll(options.sources, options.withinMs ?? 1_000),
    readHost(options.disks),
  ]);
  return samplesOf(answers, host, options.readUsage ?? readProcess);
}

/** A daemon whose answer cannot be read (of another release) counts as one that has not answered. */
export function samplesOf(answers: Answers, host: HostUsage, readUsage: UsageReader): Samples {
  const { watchd, ledgerd, egressd } = answers;
  const usageOf = (agent: AgentFacts) => withMeasured(readUsage(agent), agent);
  const all = {
    watchd: readable(watchd, (facts) => [watchdSamples(facts), usageSamples(facts.agents.map(usageOf))]),
    ledgerd: readable(ledgerd, (status) => [ledgerdSamples(status)]),
    ...(egressd === null ? {} : { egressd: readable(egressd, (status) => [egressdSamples(status)]) }),
  };
  const daemons = Object.entries(all);
  return joined([
    {
      daruma_up: daemons.map(([daemon, { samples }]) => one(samples !== null, { daemon })),
      daruma_answer_duration_seconds: daemons.flatMap(([daemon, { samples, seconds }]) =>
        known(samples === null ? null : seconds, { daemon }),
      ),
    },
    ...daemons.flatMap(([, { samples }]) => samples ?? []),
    hostSamples(host),
  ]);
}

function readable<T>(
  { document, seconds }: Answer<T>,
  read: (document: T) => readonly Samples[],
): { readonly samples: readonly Samples[] | null; readonly seconds: number } {
  if (document === null) return { samples: null, seconds };
  try {
    const samples = read(document);
    if (!samples.every(isWhole)) return { samples: null, seconds };
    return { samples, seconds };
  } catch {
    return { samples: null, seconds };
  }
}

/** What another release leaves out would be told as NaN. */
function isWhole(samples: Samples): boolean {
  return Object.values(samples)
    .flat()
    .every(({ value }) =>
      typeof value === "number" ? Number.isFinite(value) : Array.isArray(value?.counts),
    );
}

function joined(parts: readonly Samples[]): Samples {
  const all: Partial<Record<MetricName, readonly Sample[]>> = {};
  for (const name of metricNames) all[name] = parts.flatMap((part) => part[name] ?? []);
  return all;
}
