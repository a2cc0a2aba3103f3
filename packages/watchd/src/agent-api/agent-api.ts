import type { LedgerConnection } from "@daruma/ledger";
import type { State } from "../policy/state.ts";
import { createAgentLedger } from "./ledger.ts";
import { createListener } from "./listener.ts";
import type { Isolation } from "./place.ts";
import { agentRoutes } from "./routes.ts";
import { createAgentSockets } from "./sockets.ts";

export interface AgentApiOptions {
  readonly runtime: string;
  readonly isolation: Isolation;
  /** The state of the supervisor; null before it has begun. */
  readonly state: () => State | null;
  readonly connectLedger: () => Promise<LedgerConnection>;
  /** The run has shown that it gets on. Not told for agents that need not show it here. */
  readonly onBeat: (agent: string, runId: string) => void;
  /** The agent asks for its own restart, and may have it. */
  readonly onRestart: (agent: string, runId: string) => void;
  /** The agent has nothing to do for so many milliseconds. */
  readonly onIdle: (agent: string, runId: string, forMs: number) => void;
  /** The agent tells the counter of its work. */
  readonly onProgress: (agent: string, runId: string, count: number) => void;
  /** On the clock of the supervisor. */
  readonly monoNow: () => number;
  readonly log: (message: string) => void;
}

export interface AgentApi {
  /** Each agent of this state gets its socket, before anything comes of the state. */
  follow(state: State): Promise<void>;
  check(): Promise<void>;
  close(): Promise<void>;
}

/** The agents' sockets. An agent that was removed has its own for as long as it still runs. */
export function openAgentApi(options: AgentApiOptions): AgentApi {
  const ledger = createAgentLedger(options.connectLedger);
  const { state, onRestart, onIdle, onProgress, monoNow } = options;
  const routes = { state, ledger, onRestart, onIdle, onProgress, monoNow, now: () => performance.now() };
  const sockets = createAgentSockets({
    ...options,
    routesOf: (agent) => agentRoutes(agent, routes),
    onHeard: createListener({ ...routes, tell: options.onBeat }),
  });
  return {
    follow: (state) => sockets.serve(Object.keys(state.agents)),
    check: () => sockets.check(),
    async close() {
      await sockets.close();
      await ledger.close();
    },
  };
}
