import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { callUnix, messageOf } from "@daruma/base";
import type { SelfTestAnswer, SelfTestReport, SelfTestsWanted } from "./self-tests.ts";
import { judge, type ProbeRequest, type Verdict } from "./ways.ts";

export interface RunOptions {
  readonly egressd: Pick<EgressdCalls, "wanted" | "report">;
  /** Runs the probe in the agent's sandbox; resolves with what it answered. */
  readonly probe: (agent: string, request: ProbeRequest) => Promise<unknown>;
  /** There is a way out: takes every agent behind the wall away. */
  readonly failClosed: (agents: readonly string[]) => Promise<void>;
  /** After how long a way that was open is tried once more: a wall that somebody has flushed is back by then. */
  readonly confirmMs: number;
}

export interface EgressdCalls {
  wanted(): Promise<SelfTestsWanted>;
  report(report: SelfTestReport): Promise<SelfTestAnswer>;
}

const atOnce = 4;

/**
 * Makes the tests that egressd wants, until it wants none that has not been made: rules and wall may change meanwhile.
 *
 * @returns the verdicts by agent, the last one of each
 */
export async function runSelfTests(options: RunOptions): Promise<ReadonlyMap<string, Verdict>> {
  const { egressd, failClosed } = options;
  const made = new Set<string>();
  const verdicts = new Map<string, Verdict>();
  for (;;) {
    const { wanted } = await egressd.wanted();
    const queue = wanted.filter(({ agent, test }) => !made.has(`${agent} ${test}`));
    if (queue.length === 0) return verdicts;
    const work = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { agent, test, request } = next;
        made.add(`${agent} ${test}`);
        const { verdict } = await egressd.report({ agent, test, ...(await ask(options, agent, request)) });
        if (verdict !== null) verdicts.set(agent, verdict);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    const open = [...verdicts].filter(([, verdict]) => verdict === "open").map(([agent]) => agent);
    if (open.length > 0) {
      await failClosed(open);
      return verdicts;
    }
  }
}

async function ask(
  { probe, confirmMs }: RunOptions,
  agent: string,
  request: ProbeRequest,
): Promise<Pick<SelfTestReport, "result" | "problem">> {
  try {
    const result = await probe(agent, request);
    if (judge(request, result).verdict !== "open") return { result };
    await delay(confirmMs);
    return { result: await probe(agent, request) };
  } catch (error) {
    return { problem: `the probe did not run: ${messageOf(error)}` };
  }
}

export function egressdCalls(socket: string): EgressdCalls {
  const route = "/v1/self-tests";
  return {
    wanted: async () => (await callUnix({ path: socket, method: "GET", route })) as SelfTestsWanted,
    report: async (report) =>
      (await callUnix({ path: socket, method: "POST", route, body: report })) as SelfTestAnswer,
  };
}

/**
 * Starts the probe's unit, which has the agent's user and sandbox. What it is told and what it answers are files that systemd
 * opens for it as root: the agent can reach neither.
 */
export function probeUnit(directory: string): RunOptions["probe"] {
  return async (agent, request) => {
    const [input, output] = [join(directory, `${agent}.in`), join(directory, `${agent}.out`)];
    try {
      await rm(output, { force: true });
      await writeFile(input, JSON.stringify(request));
      await systemctl("start", probeOf(agent));
      return JSON.parse(await readFile(output, "utf8"));
    } finally {
      await Promise.all([input, output].map((file) => rm(file, { force: true })));
    }
  };
}

/** @param subject an agent, or a routine as `routineSubject` has it */
export function probeOf(subject: string): string {
  const [kind, name] = subject.split(":");
  return name === undefined
    ? `daruma-egress-probe@${subject}.service`
    : `daruma-egress-probe-${kind}@${name}.service`;
}

/** Agents and routines need the wall: systemd stops them before it. */
export async function takeAgentsAway(): Promise<void> {
  await systemctl("stop", "daruma-egress-wall.service");
}

async function systemctl(verb: "start" | "stop", unit: string): Promise<void> {
  await promisify(execFile)("systemctl", [verb, unit]);
}
