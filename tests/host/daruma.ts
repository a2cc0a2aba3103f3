/** What Daruma says on a test host, and waiting until it says it. */
import { setTimeout as delay } from "node:timers/promises";
import { isDarumaError, openUnix, systemCode } from "@daruma/base";
import type { AgentDoorStatus } from "@daruma/egress";
import { readEntries } from "../../packages/ledger/src/reader.ts";
import { type Host, pauseMs } from "./host.ts";

export interface Entry {
  readonly seq: number;
  readonly action: string;
  readonly actor: string;
  readonly subject: string;
  readonly incident?: string;
  readonly run?: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface AgentStatus {
  readonly name: string;
  readonly phase: string;
  readonly held: boolean;
  readonly stoppedBy: string | null;
  readonly runId: string | null;
  readonly pid: number | null;
}

export interface Status {
  readonly generation: { readonly number: number; readonly path: string; readonly knownGood: boolean } | null;
  readonly rollback: { readonly id: string } | null;
  readonly agents: readonly AgentStatus[];
  readonly quarantine: readonly { readonly path: string; readonly agent: string }[];
  readonly ledger: { readonly connected: boolean; readonly waiting: number };
}

const withinMs = 90_000;
const ledgerSocket = "/run/daruma/ledger/operator.sock";

/** What a person would ask with agentctl; from the sockets themselves, so that asking often costs the host nothing. */
export async function status(host: Host): Promise<Status | null> {
  const answer = await ask(host, "/run/daruma/watchd.sock", "/v1/status");
  return answer === null ? null : JSON.parse(answer);
}

export async function agent(host: Host, name: string): Promise<AgentStatus | undefined> {
  return (await status(host))?.agents.find((each) => each.name === name);
}

/** The whole ledger; empty while ledgerd is away. */
export async function entries(host: Host): Promise<readonly Entry[]> {
  const answer = await ask(host, ledgerSocket, "/v1/entries");
  return (answer ?? "").split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}

export type Where = Readonly<Partial<Pick<Entry, "action" | "actor" | "subject" | "incident">>> & {
  readonly after?: number;
};

/** The first entry with these fields and a number above `after`, as soon as the ledger has it. */
export async function entry(host: Host, where: Where): Promise<Entry> {
  const { after = 0, ...fields } = where;
  const isWanted = (each: Entry) =>
    Object.entries(fields).every(([key, value]) => Reflect.get(each, key) === value);
  return until(`an entry ${JSON.stringify(where)}`, (late) => follow(host, after, isWanted, late));
}

/** Reads the ledger from there on, and what comes to it, up to what is wanted. Undefined if ledgerd is not there, or goes away. */
async function follow(
  host: Host,
  after: number,
  isWanted: (entry: Entry) => boolean,
  signal: AbortSignal,
): Promise<Entry | undefined> {
  try {
    for await (const { line } of readEntries({
      socket: host.path(ledgerSocket),
      after,
      follow: true,
      signal,
    })) {
      const each: Entry = JSON.parse(line);
      if (isWanted(each)) return each;
    }
  } catch (error) {
    if (!signal.aborted && !isAway(error)) throw error;
  }
  return undefined;
}

/** Number of the last entry. */
export async function lastEntry(host: Host): Promise<number> {
  return (await entries(host)).at(-1)?.seq ?? 0;
}

/** What egressd says of each agent that is confined; null where nobody answers. */
export async function egress(host: Host): Promise<Readonly<Record<string, AgentDoorStatus>> | null> {
  const answer = await ask(host, "/run/daruma-egress/egressd.sock", "/v1/status");
  return answer === null ? null : JSON.parse(answer).agents;
}

export async function healthy(host: Host, name: string): Promise<AgentStatus> {
  return until(`${name} is healthy`, async () => {
    const found = await agent(host, name);
    return found?.phase === "healthy" ? found : undefined;
  });
}

export async function knownGood(host: Host, path: string): Promise<void> {
  await until(`${path} is known-good`, async () => {
    const generation = (await status(host))?.generation;
    return generation?.path === path && generation.knownGood ? true : undefined;
  });
}

/** Asks again and again until there is an answer. `look` is told when it is too late for one. */
export async function until<T>(
  what: string,
  look: (late: AbortSignal) => Promise<T | undefined>,
): Promise<T> {
  const begun = performance.now();
  const late = AbortSignal.timeout(withinMs);
  for (;;) {
    const found = await look(late);
    if (found !== undefined) return found;
    if (late.aborted) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(pauseMs(performance.now() - begun));
  }
}

/** Main process of an agent as systemd knows it; 0 where there is none. */
export async function pidOf(host: Host, name: string): Promise<number> {
  return Number(await host.succeed(`systemctl show --value -p MainPID daruma-agent-${name}.service`));
}

/** Null where nobody answers. */
async function ask(host: Host, socket: string, route: string): Promise<string | null> {
  try {
    const response = await openUnix({ path: host.path(socket), method: "GET", route, timeoutMs: 10_000 });
    response.setEncoding("utf8");
    let text = "";
    for await (const chunk of response) text += chunk;
    return text;
  } catch (error) {
    if (isAway(error)) return null;
    throw error;
  }
}

function isAway(error: unknown): boolean {
  return isDarumaError(error) || systemCode(error) === "ECONNRESET";
}

/** Has watchd, and nobody else, run lines of shell before a program of its PATH; and gives its unit these settings. */
export async function beforeProgram(host: Host, name: string, lines: string, settings = ""): Promise<void> {
  const environment = await host.succeed("systemctl show --property=Environment daruma-watchd.service");
  const programs = /PATH=(\S+)/.exec(environment)?.[1] ?? "";
  await host.writeFile(
    `/run/before/${name}`,
    `#!/bin/sh\nPATH=${programs}\n${lines}\nexec ${name} "$@"\n`,
    0o755,
  );
  await host.writeFile(
    "/run/systemd/system/daruma-watchd.service.d/90-before.conf",
    `[Service]\nEnvironment="PATH=/run/before:${programs}"\n${settings}\n`,
  );
  await host.succeed("systemctl daemon-reload && systemctl restart daruma-watchd.service");
}
