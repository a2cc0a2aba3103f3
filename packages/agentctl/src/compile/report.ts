import type { Problem } from "@daruma/base";
import type { AgentSpec, Fleet, Host } from "@daruma/config";
import type { Judged } from "../lint/silence.ts";
import type { compileErrors } from "./catalogue.ts";

/** What the process that evaluates a fleet file tells the one that started it: one line of JSON on descriptor 3. */
export type Report = FleetReport | InvalidReport | FailureReport;

interface Traced {
  /** Files that were loaded, the fleet file among them; packages in node_modules are left out. */
  readonly dependencies: readonly string[];
}

interface FleetReport extends Traced {
  readonly kind: "fleet";
  readonly fleet: PackedFleet;
  /** Present when they were asked for. */
  readonly lints?: Judged;
  /** What is wrong with the fleet's sources; present with `lints`. */
  readonly sources?: readonly Problem[];
}

/** A fleet in which agents that are one object are written once. */
export interface PackedFleet {
  readonly agents: readonly AgentSpec[];
  /** By their index in `agents`. */
  readonly hosts: Readonly<
    Record<string, Omit<Host, "agents"> & { readonly agents: Readonly<Record<string, number>> }>
  >;
}

export function packFleet(fleet: Fleet): PackedFleet {
  const indices = new Map<AgentSpec, number>();
  const indexOf = (agent: AgentSpec) => {
    const index = indices.get(agent) ?? indices.size;
    indices.set(agent, index);
    return index;
  };
  const hosts = mapValues(fleet.hosts, (host) => ({ ...host, agents: mapValues(host.agents, indexOf) }));
  return { agents: [...indices.keys()], hosts };
}

/** The fleet again; agents that were one object are one. */
export function unpackFleet({ agents, hosts }: PackedFleet): Fleet {
  const agentAt = (index: number) => {
    const agent = agents[index];
    if (agent === undefined) throw new Error(`the report has no agent ${index}`);
    return agent;
  };
  return {
    hosts: mapValues(hosts, (host) => ({ ...host, agents: mapValues(host.agents, agentAt) })),
  };
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

interface InvalidReport extends Traced {
  readonly kind: "invalid";
  readonly problems: readonly [Problem, ...Problem[]];
}

interface FailureReport extends Traced, Failure {
  readonly kind: "failure";
}

/** Why there is no fleet. */
export interface Failure {
  readonly code: keyof typeof compileErrors.catalogue;
  readonly message: string;
  readonly place?: Place;
}

/** A place in a user's file; lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** The descriptor on which the report is written: neither stdout nor stderr, which belong to the user's code. */
export const reportDescriptor = 3;

/** The second argument of an evaluator that looks also for what is allowed and bites, and at the sources. */
export const lintArgument = "lint";

/** The hidden first argument on which a program of ours turns into the evaluator of a fleet file. */
export const evaluatorArgument = "__evaluate";
