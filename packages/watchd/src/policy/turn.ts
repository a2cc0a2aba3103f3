import { own } from "@daruma/base";
import type { Instant } from "../ports.ts";
import type { Command, LedgerRecord, Severity } from "./events.ts";
import type { AgentState, State } from "./state.ts";

/**
 * One step of the core while it is being taken: a state that is replaced, never changed in place, and what has been
 * asked for and noted so far.
 */
export interface Turn {
  state: State;
  /** The agents of `state` once this step has changed one: a copy of its own, so that many changes cost one copy. */
  own: Record<string, AgentState> | null;
  readonly now: Instant;
  readonly commands: Command[];
  readonly records: LedgerRecord[];
}

export function agentOf(turn: Turn, name: string): AgentState | undefined {
  return own(turn.state.agents, name);
}

export function patch(turn: Turn, change: Partial<State>): void {
  turn.state = { ...turn.state, ...change };
}

export function patchAgent(turn: Turn, name: string, change: Partial<AgentState>): AgentState {
  const agent = agentOf(turn, name);
  if (agent === undefined) throw new Error(`the core has no agent ${name}`);
  const next = { ...agent, ...change };
  setAgent(turn, name, next);
  return next;
}

export function setAgent(turn: Turn, name: string, agent: AgentState): void {
  ownAgents(turn)[name] = agent;
}

export function removeAgent(turn: Turn, name: string): void {
  delete ownAgents(turn)[name];
}

function ownAgents(turn: Turn): Record<string, AgentState> {
  if (turn.own === null) {
    turn.own = { ...turn.state.agents };
    patch(turn, { agents: turn.own });
  }
  return turn.own;
}

export interface Note {
  readonly action: string;
  readonly subject: string;
  readonly incident?: string | undefined;
  readonly run?: string | undefined;
  readonly severity?: Severity;
  readonly details?: LedgerRecord["details"];
}

export function record(turn: Turn, note: Note): void {
  turn.records.push({
    action: note.action,
    subject: note.subject,
    ...(note.incident === undefined ? {} : { incident: note.incident }),
    ...(note.run === undefined ? {} : { run: note.run }),
    at: turn.now.wall,
    severity: note.severity ?? "info",
    details: note.details ?? {},
  });
}

/** A new id, unique for all time: the epoch is random, the number never repeats within it. */
export function freshId(turn: Turn, prefix: "run" | "inc" | "rb" | "ar"): string {
  const id = `${prefix}-${turn.state.epoch}-${turn.state.nextId}`;
  patch(turn, { nextId: turn.state.nextId + 1 });
  return id;
}

/** Uniform in [0, 1); mulberry32, whose whole state is one 32-bit integer and so fits the journal. */
export function draw(turn: Turn): number {
  const random = (turn.state.random + 0x6d2b79f5) >>> 0;
  patch(turn, { random });
  let mixed = Math.imul(random ^ (random >>> 15), 1 | random);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}
