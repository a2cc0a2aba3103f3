import { type Metric as PromMetric, Registry } from "prom-client";
import type { Sample, Samples } from "./sample.ts";
import { type MetricName, metricNames, metricTable } from "./table.ts";

/** Of the text format of Prometheus. */
export const contentType = Registry.PROMETHEUS_CONTENT_TYPE;

interface Line {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

/**
 * The text that Prometheus reads (https://prometheus.io/docs/instrumenting/exposition_formats/). The registry is a new one each
 * time: nothing is counted here, and what has gone leaves nothing behind.
 */
export async function expose(samples: Samples): Promise<string> {
  const registry = new Registry();
  for (const name of metricNames) registry.registerMetric(metricOf(name, samples[name] ?? []));
  return await registry.metrics();
}

/** As the registry asks its metrics. prom-client's own cannot be set: a histogram of theirs wants each value by itself. */
function metricOf(name: MetricName, samples: readonly Sample[]): PromMetric {
  const { type, help } = metricTable[name];
  const metric = {
    name,
    help,
    type,
    aggregator: "sum",
    get: async () => ({ name, help, type, values: linesOf(name, samples) }),
  };
  return metric as unknown as PromMetric;
}

function linesOf(name: MetricName, samples: readonly Sample[]): readonly Line[] {
  return samples.flatMap(({ labels, value }): readonly Line[] => {
    if (typeof value === "number") return [{ labels, value }];
    let below = 0;
    const buckets = value.counts.map((count, index) => {
      below += count;
      return {
        metricName: `${name}_bucket`,
        labels: { ...labels, le: value.bounds[index] ?? "+Inf" },
        value: below,
      };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: value.sum },
      { metricName: `${name}_count`, labels, value: below },
    ];
  });
}
