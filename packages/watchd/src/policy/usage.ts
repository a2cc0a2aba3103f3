import type { ResourcePolicy } from "@daruma/config";
import type { Usage } from "../ports.ts";
import { median, type Point, robustSlope } from "./slope.ts";

/*
 * What a run uses, and whether that is too much: pure functions of samples, without clocks. What follows from it is in
 * preemption.ts.
 */

/** What has a bound of its own. */
export const boundedResources = ["memory", "cpu", "openFiles", "tasks", "io", "latency"] as const;
export type BoundedResource = (typeof boundedResources)[number];

/** What is in use, by resource; null where that cannot be told, or not yet. */
export type Levels = Readonly<Record<BoundedResource, number | null>>;

/** Of one run. Lives in memory only: what a run uses is measured anew after a restart of watchd. */
export interface UsageState {
  /** The newest sample, and the monotonic instant at which it was taken. */
  readonly sample: (Usage & { readonly at: number }) | null;
  /** Bytes, processors, numbers, bytes a second, milliseconds. */
  readonly levels: Levels;
  /** Monotonic instants since which a level has been above its bound in every sample. */
  readonly over: Readonly<Partial<Record<BoundedResource, number>>>;
  /** Of the last passing health checks, oldest first, in milliseconds. */
  readonly latencies: readonly number[];
  /** The least memory in each slice of the window for leaks, oldest first: what a collector of garbage cannot give back. */
  readonly floors: readonly Point[];
  /** Bounds that cannot be watched because nothing tells the level, as the ledger has been told. */
  readonly untold: readonly BoundedResource[];
}

export const noLevels: Levels = {
  memory: null,
  cpu: null,
  openFiles: null,
  tasks: null,
  io: null,
  latency: null,
};

export const noUsage: UsageState = {
  sample: null,
  levels: noLevels,
  over: {},
  latencies: [],
  floors: [],
  untold: [],
};

/** What was found; `evidence` goes to the ledger as it is. */
export interface Excess {
  readonly resource: BoundedResource | "leak";
  readonly evidence: Readonly<Record<string, number>>;
}

/** Slices of the window for leaks, and how many of them have to be known for a judgement. */
export const slices = 32;
const leastSlices = 24;
/** Share of the pairs of slices that have to rise: noise has a half. */
const leastRising = 0.75;
/** Health checks over which latency is taken. */
const latencyChecks = 5;

/**
 * How often a run has to be measured for this policy, in milliseconds. Twice in each slice: who measures has a beat of its own, and a
 * slice that falls between two of its samples is not known.
 */
export function samplingMs({ leak, sustainedMs }: ResourcePolicy): number {
  const forLeak = leak === null ? Number.POSITIVE_INFINITY : leak.withinMs / (2 * slices);
  return Math.max(100, Math.min(10_000, sustainedMs / 4, forLeak));
}

/** @param at monotonic instant of the sample; an older one than the last says nothing */
export function addSample(
  before: UsageState,
  at: number,
  usage: Usage,
  policy: ResourcePolicy | undefined,
): UsageState {
  const last = before.sample;
  if (last !== null && last.at >= at) return before;
  const levels: Levels = {
    memory: usage.memoryBytes,
    cpu: rate(last?.cpuMs, usage.cpuMs, last?.at, at),
    openFiles: usage.openFiles,
    tasks: usage.tasks,
    io: perSecond(rate(last?.ioBytes, usage.ioBytes, last?.at, at)),
    latency: before.levels.latency,
  };
  const sampled = { ...before, sample: { ...usage, at }, levels };
  if (policy === undefined) return sampled;
  return { ...sampled, over: overs(before, levels, policy, at), floors: floorsOf(before, at, usage, policy) };
}

/** A passing health check took `latencyMs`. */
export function addLatency(
  before: UsageState,
  at: number,
  latencyMs: number,
  policy: ResourcePolicy,
): UsageState {
  const latencies = [...before.latencies, latencyMs].slice(-latencyChecks);
  const latency = latencies.length < latencyChecks ? null : median(latencies);
  const levels = { ...before.levels, latency };
  return { ...before, latencies, levels, over: overs(before, levels, policy, at) };
}

/** What has been above its bound for long enough; null for nothing. A leak comes last: it explains the others. */
export function excessOf(usage: UsageState, policy: ResourcePolicy, now: number): Excess | null {
  for (const resource of boundedResources) {
    const [level, bound, since] = [usage.levels[resource], boundOf(policy, resource), usage.over[resource]];
    if (level === null || bound === null || since === undefined || now - since < policy.sustainedMs) continue;
    return {
      resource,
      evidence: { level, bound, overMs: Math.round(now - since), sustainedMs: policy.sustainedMs },
    };
  }
  return leakOf(usage, policy);
}

/** Whether what was found is no longer so. A leak stays one until the run ends. */
export function isOver({ over }: UsageState, { resource }: Excess): boolean {
  return resource === "leak" || over[resource] !== undefined;
}

/** Bounds of the policy that nothing in this sample can be held against. */
export function untoldBounds({ sample }: UsageState, policy: ResourcePolicy): readonly BoundedResource[] {
  if (sample === null) return [];
  const told = {
    memory: sample.memoryBytes,
    cpu: sample.cpuMs,
    openFiles: sample.openFiles,
    tasks: sample.tasks,
    io: sample.ioBytes,
  };
  const wanted = boundedResources.filter(
    (resource) => boundOf(policy, resource) !== null || (resource === "memory" && policy.leak !== null),
  );
  return wanted.filter((resource) => resource !== "latency" && told[resource] === null);
}

function boundOf(policy: ResourcePolicy, resource: BoundedResource): number | null {
  const bounds = {
    memory: policy.memoryBytes,
    cpu: policy.cpu,
    openFiles: policy.openFiles,
    tasks: policy.tasks,
    io: policy.ioBytesPerSecond,
    latency: policy.latencyMs,
  };
  return bounds[resource];
}

function overs(before: UsageState, levels: Levels, policy: ResourcePolicy, at: number): UsageState["over"] {
  const over: Partial<Record<BoundedResource, number>> = {};
  for (const resource of boundedResources) {
    const [level, bound] = [levels[resource], boundOf(policy, resource)];
    if (level !== null && bound !== null && level > bound) over[resource] = before.over[resource] ?? at;
  }
  return over;
}

/** A counter of several processes falls when one of them ends: then nothing was used, as far as it tells. */
function rate(
  before: number | null | undefined,
  now: number | null,
  since: number | undefined,
  at: number,
): number | null {
  if (before == null || now === null || since === undefined) return null;
  return Math.max(0, now - before) / (at - since);
}

function perSecond(perMs: number | null): number | null {
  return perMs === null ? null : perMs * 1_000;
}

function floorsOf(
  { floors }: UsageState,
  at: number,
  { memoryBytes }: Usage,
  { leak }: ResourcePolicy,
): readonly Point[] {
  if (leak === null || memoryBytes === null) return floors;
  const sliceMs = leak.withinMs / slices;
  const last = floors.at(-1);
  if (last !== undefined && Math.floor(last.at / sliceMs) === Math.floor(at / sliceMs))
    return memoryBytes < last.value ? [...floors.slice(0, -1), { at: last.at, value: memoryBytes }] : floors;
  return [...floors, { at, value: memoryBytes }].filter((point) => at - point.at <= leak.withinMs);
}

/** The newest slice is not over yet, and left out. */
function leakOf({ floors }: UsageState, { leak }: ResourcePolicy): Excess | null {
  const whole = floors.slice(0, -1);
  if (leak === null || whole.length < leastSlices) return null;
  const slope = robustSlope(whole);
  const [first, last] = [whole[0], whole.at(-1)];
  if (slope === null || first === undefined || last === undefined) return null;
  const growth = slope.perMs * leak.withinMs;
  if (growth < leak.growthBytes || slope.rising < leastRising) return null;
  return {
    resource: "leak",
    evidence: {
      samples: whole.length,
      spanMs: Math.round(last.at - first.at),
      firstBytes: first.value,
      lastBytes: last.value,
      slopeBytesPerHour: Math.round(slope.perMs * 3_600_000),
      rising: Math.round(slope.rising * 1_000) / 1_000,
      growthBytes: Math.round(growth),
      withinMs: leak.withinMs,
      limitBytes: leak.growthBytes,
    },
  };
}
