import type { ResourcePolicy } from "@daruma/config";
import fc from "fast-check";
import t from "tap";
import type { Usage } from "../ports.ts";
import { median, robustSlope } from "./slope.ts";
import { addLatency, addSample, excessOf, noUsage, samplingMs, untoldBounds } from "./usage.ts";

const none: ResourcePolicy = {
  memoryBytes: null,
  leak: null,
  cpu: null,
  openFiles: null,
  tasks: null,
  ioBytesPerSecond: null,
  latencyMs: null,
  sustainedMs: 10_000,
  restartWithinMs: 60_000,
};
const nothing: Usage = { memoryBytes: null, cpuMs: null, openFiles: null, tasks: null, ioBytes: null };
const leak = { growthBytes: 1_000, withinMs: 320_000 };

/** Samples every `everyMs`, each as `at` says. */
function sampled(
  policy: ResourcePolicy,
  count: number,
  at: (index: number) => Partial<Usage>,
  everyMs = 5_000,
) {
  let usage = noUsage;
  for (let index = 0; index < count; index += 1)
    usage = addSample(usage, (index + 1) * everyMs, { ...nothing, ...at(index) }, policy);
  return { usage, found: excessOf(usage, policy, count * everyMs) };
}

t.test("a median slope ignores up to 29 % of wild points, and is that of a line for a line", async () => {
  const wild = fc.array(fc.integer({ min: -1e9, max: 1e9 }), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(wild, fc.integer({ min: -50, max: 50 }), (values, slope) => {
      const points = Array.from({ length: 32 }, (_, at) => ({ at, value: slope * at }));
      values.forEach((value, index) => {
        points[index * 6] = { at: index * 6, value };
      });
      return Math.abs((robustSlope(points)?.perMs ?? Number.NaN) - slope) < 1e-6;
    }),
  );
  t.equal(robustSlope([{ at: 1, value: 1 }]), null);
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
});

t.test("memory that grows without an end is a leak, with the evidence for it", async (t) => {
  const { found } = sampled({ ...none, leak }, 70, (index) => ({ memoryBytes: 5_000 + index * 20 }));
  t.equal(found?.resource, "leak");
  t.match(found?.evidence, { slopeBytesPerHour: 14_400, rising: 1, limitBytes: 1_000, withinMs: 320_000 });
  t.ok((found?.evidence.growthBytes ?? 0) > 1_200);
});

t.test(
  "neither a step, nor a peak, nor what a collector gives back, nor slow growth is a leak",
  async (t) => {
    const grown = (memory: (index: number) => number) =>
      sampled({ ...none, leak }, 200, (index) => ({ memoryBytes: memory(index) })).found;
    t.equal(
      grown((index) => (index < 170 ? 5_000 : 50_000)),
      null,
      "a step",
    );
    t.equal(
      grown((index) => (index === 180 ? 1e6 : 5_000)),
      null,
      "a peak",
    );
    t.equal(
      grown((index) => 5_000 + (index % 8) * 4_000),
      null,
      "a saw of a collector",
    );
    t.equal(
      grown((index) => 5_000 + index * 10),
      null,
      "slower than what is declared",
    );
    t.equal(
      sampled({ ...none, leak }, 20, (index) => ({ memoryBytes: index * 1e6 })).found,
      null,
      "too early",
    );
  },
);

t.test("noise around a constant is never a leak, whatever its size", async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 70, maxLength: 70 }), (noise) => {
      return sampled({ ...none, leak }, 70, (index) => ({ memoryBytes: noise[index] ?? 0 })).found === null;
    }),
    { numRuns: 50 },
  );
});

t.test("a bound is broken only by what stays above it without a break", async (t) => {
  const policy = { ...none, openFiles: 100 };
  const files = (counts: readonly number[]) =>
    sampled(policy, counts.length, (index) => ({ openFiles: counts[index] ?? 0 })).found;
  t.equal(files([101, 101]), null, "not for long enough");
  t.match(files([101, 150, 101]), { resource: "openFiles", evidence: { level: 101, bound: 100 } });
  t.equal(files([101, 100, 101]), null, "the bound itself is allowed");
});

t.test("processors and disks are told by counters that rise", async (t) => {
  const busy = sampled({ ...none, cpu: 0.5 }, 5, (index) => ({ cpuMs: index * 3_000 }));
  t.match(busy.found, { resource: "cpu", evidence: { level: 0.6 } });
  const written = sampled({ ...none, ioBytesPerSecond: 1_000 }, 5, (index) => ({ ioBytes: index * 10_000 }));
  t.match(written.found, { resource: "io", evidence: { level: 2_000 } });
  const fallen = sampled({ ...none, cpu: 0.5 }, 5, (index) => ({ cpuMs: 9_000 - index }));
  t.equal(fallen.found, null, "of several processes one has ended");
});

t.test("latency is the median of the last health checks, and one that is slow is none", async (t) => {
  const policy = { ...none, latencyMs: 100 };
  let usage = noUsage;
  for (let check = 1; check <= 12; check += 1)
    usage = addLatency(usage, check * 3_000, check % 4 === 0 ? 900 : 50, policy);
  t.equal(excessOf(usage, policy, 36_000), null);
  for (let check = 13; check <= 24; check += 1) usage = addLatency(usage, check * 3_000, 150, policy);
  t.match(excessOf(usage, policy, 72_000), { resource: "latency", evidence: { level: 150, bound: 100 } });
});

t.test("what nothing tells is known to be untold, and older samples say nothing", async (t) => {
  const policy = { ...none, leak, openFiles: 1, cpu: 1 };
  const usage = addSample(noUsage, 1_000, { ...nothing, openFiles: 3 }, policy);
  t.same(untoldBounds(usage, policy), ["memory", "cpu"]);
  t.equal(addSample(usage, 1_000, { ...nothing, openFiles: 9 }, policy), usage);
});

t.test(
  "a leak is found in every window that can be declared, whatever the beat of who measures",
  async (t) => {
    // sampling.ts looks every quarter of a second whose turn it is.
    const beatMs = 250;
    for (const withinMs of [10_000, 11_000, 12_000, 16_000, 20_000, 21_000, 60_000]) {
      const policy = { ...none, leak: { growthBytes: 1_000, withinMs } };
      const everyMs = Math.ceil(samplingMs(policy) / beatMs) * beatMs;
      let usage = noUsage;
      for (let at = 0; at <= 1.1 * withinMs; at += everyMs)
        usage = addSample(usage, at, { ...nothing, memoryBytes: at }, policy);
      t.match(excessOf(usage, policy, 1.1 * withinMs), { resource: "leak" }, `${withinMs} ms`);
    }
  },
);

t.test("it is measured often enough for what is declared, and never too often", async (t) => {
  t.equal(samplingMs({ ...none, leak, sustainedMs: 86_400_000 }), 5_000);
  t.equal(samplingMs({ ...none, sustainedMs: 1_000 }), 250);
  t.equal(samplingMs({ ...none, leak: { growthBytes: 1, withinMs: 1_000 } }), 100);
});
