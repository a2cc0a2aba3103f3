import { messageOf } from "@daruma/base";
import type { Appended, AppendRequest, LedgerConnection } from "@daruma/ledger";
import { watchdErrors } from "../catalogue.ts";

export interface AgentLedger {
  /**
   * Resolves once the entry is durable. Nothing is kept for later: while the ledger is away, agents are told so.
   *
   * @throws AGENT_E_LEDGER_AWAY; then the entry may have been recorded all the same
   */
  append(entry: AppendRequest): Promise<Appended>;
  close(): Promise<void>;
}

type Connection = Pick<LedgerConnection, "append" | "close" | "closed">;

/**
 * The agents' way to the ledger: a connection of its own, opened when it is needed, so that what agents append never waits in
 * front of what watchd has to record. One that does not acknowledge within `withinMs` is given up with all that waits on it.
 */
export function createAgentLedger(connect: () => Promise<Connection>, withinMs = 5_000): AgentLedger {
  let connection: Promise<Connection> | null = null;

  const connected = (): Promise<Connection> => {
    if (connection !== null) return connection;
    const opening = connect();
    connection = opening;
    opening.then(
      ({ closed }) => closed.then(() => forget(opening)),
      () => forget(opening),
    );
    return opening;
  };
  const forget = (which: Promise<Connection>) => {
    if (connection === which) connection = null;
  };
  const giveUp = (which: Promise<Connection>) => {
    forget(which);
    which.then((open) => open.close(0)).catch(() => undefined);
  };

  return {
    async append(entry) {
      const which = connected();
      try {
        return await within(
          withinMs,
          which.then((open) => open.append(entry)),
        );
      } catch (cause) {
        if (cause === late) giveUp(which);
        const why = cause === late ? `no acknowledgement within ${withinMs} ms` : messageOf(cause);
        throw watchdErrors.make("AGENT_E_LEDGER_AWAY", why, { cause });
      }
    },
    async close() {
      const open = await connection?.catch(() => null);
      await open?.close();
    },
  };
}

const late = new Error("late");

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), ms);
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
  }
}
