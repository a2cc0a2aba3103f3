import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { ledgerStatus, readEntries } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import type { Instance } from "../instance/locate.ts";
import { watchdClient } from "../instance/watchd-client.ts";
import { followEntries } from "../story/follow.ts";
import { fileSource } from "./file-source.ts";
import { History } from "./history.ts";
import { journalSource } from "./journal-source.ts";
import type { LogSource } from "./log-line.ts";

export interface LogSession {
  readonly source: LogSource;
  readonly history: History;
  /** Name of the host. */
  readonly host: string;
}

export interface SessionOptions {
  readonly agent: string;
  readonly instance: Instance;
  /** Goes on hearing what the ledger is told. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** Entries about one agent that are looked at: those about lines that are older have gone far away. */
const newestEntries = 10_000;
/** A ledgerd that is away for longer is heard of again when the command is run again. */
const patienceMs = 3_600_000;

/**
 * What is needed to read an agent's lines. Without the ledger they can be read all the same, and nothing is known about them.
 *
 * @throws LOGS_E_UNKNOWN_AGENT
 */
export async function openLogs(context: Context, options: SessionOptions): Promise<LogSession> {
  const { agent, instance, follow, signal } = options;
  // Only a name that a fleet can have leads to a file or a unit.
  if (!/^[a-z][a-z0-9-]*[a-z0-9]$/.test(agent)) throw unknownAgent(agent);
  const history = new History();
  const source = instance.state === null ? journalSource() : fileSource(instance.state);
  const socket = instance.sockets.operatorLedger;
  const filter = { subject: agent };
  try {
    const { head, host } = await ledgerStatus({ socket });
    let count = 0;
    for await (const { entry } of readEntries({
      socket,
      filter,
      before: head.seq + 1,
      newest: newestEntries,
      signal,
    })) {
      history.add(entry);
      count += 1;
    }
    if (count === 0 && !(await isDeclared(instance, agent))) throw unknownAgent(agent);
    if (follow) void listen(history, { socket, filter, after: head.seq, signal, patienceMs });
    return { source, history, host };
  } catch (error) {
    signal.throwIfAborted();
    if (Reflect.get(Object(error), "code") === "LOGS_E_UNKNOWN_AGENT") throw error;
    // Nobody can say whether there is such an agent, and nothing speaks for it.
    if (instance.state !== null && !existsSync(join(instance.state, "agents", agent))) throw error;
    context.output.note(`the ledger does not tell runs and incidents: ${messageOf(error)}`);
    return { source, history, host: hostname() };
  }
}

async function listen(history: History, options: Parameters<typeof followEntries>[0]): Promise<void> {
  try {
    for await (const { entry } of followEntries(options)) history.add(entry);
  } catch {
    // Lines go on without.
  }
}

/** An agent that has never started has no entry yet. */
async function isDeclared({ sockets }: Instance, agent: string): Promise<boolean> {
  const { agents } = await watchdClient(sockets.watchd).status();
  return agents.some(({ name }) => name === agent);
}

function unknownAgent(agent: string): Error {
  return agentctlErrors.make("LOGS_E_UNKNOWN_AGENT", `there is no agent ${agent}`);
}
