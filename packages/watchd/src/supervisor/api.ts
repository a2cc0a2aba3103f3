import { type Handler, messageOf, own } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { refuseRollback } from "../policy/operator.ts";
import type { AgentState, State } from "../policy/state.ts";
import type { Clock, GenerationInfo, Generations, ServiceManager } from "../ports.ts";
import { judgementsOf } from "./judgements.ts";
import { generationsOf, statusOf } from "./status.ts";
import type { Supervisor } from "./supervisor.ts";

export interface ApiOptions {
  readonly supervisor: Supervisor;
  readonly generations: Generations;
  readonly services: Pick<ServiceManager, "setStopped">;
  readonly clock: Clock;
  /** Resolves once the entry is durable in the ledger. */
  readonly recordIntent: (entry: {
    action: string;
    subject: string;
    details: Record<string, string | number>;
  }) => Promise<unknown>;
  /** The systemd unit of an agent; null where agents are no units. */
  readonly unitOf: ((agent: string) => string) | null;
  /** A person vouches for the generation `path`; resolves once that is durable. */
  readonly onAllow: (path: string) => Promise<void>;
  /** What else there is to be told of a generation, and to be stopped before the agents. */
  readonly routines: { follow(): Promise<void>; drain(): Promise<void> };
}

/** The requests that watchd answers on its socket. */
export function apiRoutes(options: ApiOptions): Readonly<Record<string, Handler>> {
  const { supervisor, clock, generations } = options;
  return {
    "GET /v1/status": async () =>
      statusOf(supervisor.state, {
        host: supervisor.current?.manifest.host ?? "",
        pid: process.pid,
        now: clock.now(),
        runs: supervisor.runs,
        ledger: { connected: supervisor.outbox.connected, waiting: supervisor.outbox.waiting.length },
      }),
    "GET /v1/judgements": async () => judgementsOf(supervisor.state, clock.now()),
    "GET /v1/generations": async () => generationsOf(supervisor.state, await generations.list()),
    "POST /v1/rollback": ({ body }) => rollback(options, numberIn(body, "to")),
    "POST /v1/allow": ({ body }) => allow(options, numberIn(body, "number")),
    "POST /v1/agents/stop": ({ body }) => stopAgent(options, agentIn(body)),
    "POST /v1/agents/start": ({ body }) => startAgent(options, agentIn(body)),
    "POST /v1/reload": async () => {
      await supervisor.refresh();
      await options.routines.follow();
      const { current } = supervisor;
      return { schemaVersion: 1, number: current?.number ?? null, path: current?.path ?? null };
    },
    "POST /v1/drain": async () => {
      await options.routines.drain();
      await supervisor.drain();
      return { schemaVersion: 1, drained: true };
    },
  };
}

async function rollback(options: ApiOptions, to: number | undefined): Promise<object> {
  const { supervisor } = options;
  const target = await targetOf(options, to);
  refuse(supervisor, target);
  const from = supervisor.state.generation?.path ?? "";
  await intend(options, "generation.rollback-request", target.path, { from, number: target.number });
  // Somebody else may have been faster while the ledger wrote.
  refuse(supervisor, target);
  const before = supervisor.state.turn;
  supervisor.dispatch({ type: "operator-rollback", target: target.path, targetNumber: target.number });
  // What was queued before it may have made it impossible; then there is nothing to wait for.
  const state = await supervisor.until(
    (now) => now.turn > before && (isUnderWay(now, target.path) || refuseRollback(now, target.path) !== null),
  );
  if (!isUnderWay(state, target.path)) refuse(supervisor, target);
  return {
    schemaVersion: 1,
    id: state.rollback?.id ?? null,
    from,
    target: target.path,
    targetNumber: target.number,
  };
}

function isUnderWay({ rollback: under, generation }: State, target: string): boolean {
  return under?.target === target || generation?.path === target;
}

/** A person's destructive command is carried out only if it can be recorded first. */
async function intend(
  options: ApiOptions,
  action: string,
  subject: string,
  details: Record<string, string | number>,
  hint?: string,
): Promise<void> {
  try {
    await options.recordIntent({ action, subject, details });
  } catch (cause) {
    throw watchdErrors.make(
      "WATCHD_E_LEDGER_UNAVAILABLE",
      `the ledger cannot take the intent: ${messageOf(cause)}`,
      { cause, ...(hint === undefined ? {} : { hint }) },
    );
  }
}

function refuse(supervisor: Supervisor, target: GenerationInfo): void {
  const why = refuseRollback(supervisor.state, target.path);
  if (why === null) return;
  if (why === "quarantined") {
    throw watchdErrors.make(
      "GENERATION_E_QUARANTINED",
      `generation ${target.number} was rolled back from and is quarantined`,
      {
        where: target.path,
        hint: `Run \`agentctl generations allow ${target.number}\` if you vouch for it.`,
      },
    );
  }
  const reasons = {
    "nothing-deployed": "nothing has been deployed yet",
    "already-current": `generation ${target.number} is already the current one`,
    "in-progress": `rollback ${supervisor.state.rollback?.id} is under way`,
  };
  throw watchdErrors.make("WATCHD_E_ROLLBACK_REFUSED", reasons[why], { where: target.path });
}

/** The generation with that number; without one, the newest known-good that is not the current one. */
async function targetOf(
  { supervisor, generations }: ApiOptions,
  to: number | undefined,
): Promise<GenerationInfo> {
  const list = await generations.list();
  if (to !== undefined) return numbered(list, to);
  const { state } = supervisor;
  const barred = new Set([
    state.generation?.path,
    ...state.quarantine.map((entry) => entry.path),
    ...state.rejected,
  ]);
  for (const good of state.knownGood) {
    const found = list.find((generation) => generation.path === good.path);
    if (found !== undefined && !barred.has(good.path)) return found;
  }
  throw watchdErrors.make("GENERATION_E_NOT_FOUND", "there is no other known-good generation to go back to", {
    hint: "Choose one by number: `agentctl generations`, then `agentctl rollback --to N`.",
  });
}

async function allow(options: ApiOptions, number: number | undefined): Promise<object> {
  const { supervisor, generations } = options;
  if (number === undefined) throw watchdErrors.make("WATCHD_E_BAD_REQUEST", "`number` is missing");
  const target = numbered(await generations.list(), number);
  await options.onAllow(target.path);
  supervisor.dispatch({ type: "operator-allow", path: target.path });
  await supervisor.until((state) => state.quarantine.every((entry) => entry.path !== target.path));
  return { schemaVersion: 1, path: target.path };
}

/** The answer comes as soon as the person's word is durable; stopping itself takes as long as the agent's grace time. */
async function stopAgent(options: ApiOptions, name: string): Promise<object> {
  const { supervisor, services, unitOf } = options;
  declared(supervisor, name);
  await intend(options, "agent.stop-request", name, {}, unitOf === null ? undefined : byHand(unitOf(name)));
  await services.setStopped(name, true);
  await surveyIfPossible(supervisor);
  return { schemaVersion: 1, agent: name, stopped: true };
}

/** What an agent that fills the disk of the ledger is stopped by. */
function byHand(unit: string): string {
  return `If it cannot wait: \`systemctl stop ${unit}\`, which is recorded late and holds until the next switch or boot. Look at ledgerd (disk full, stopped, damaged ledger).`;
}

/** A start destroys nothing: watchd's journal has it, and the ledger does as soon as it takes entries. */
async function startAgent({ supervisor, services, clock }: ApiOptions, name: string): Promise<object> {
  declared(supervisor, name);
  const at = clock.now().wall;
  await supervisor.note({ action: "agent.start-request", subject: name, at, severity: "info", details: {} });
  await services.setStopped(name, false);
  // A look that still saw it stopped would stop it again if it were told after this.
  await surveyIfPossible(supervisor);
  supervisor.dispatch({ type: "operator-start", agent: name });
  return { schemaVersion: 1, agent: name, stopped: false };
}

/** What cannot be looked at now (in mid-switch nothing is) is seen by the next survey; the person's word is durable. */
async function surveyIfPossible(supervisor: Supervisor): Promise<void> {
  await supervisor.survey().catch(() => undefined);
}

/** @throws WATCHD_E_UNKNOWN_AGENT */
function declared({ state }: Supervisor, name: string): AgentState {
  const agent = own(state.agents, name);
  if (agent?.declared === true) return agent;
  const names = Object.keys(state.agents).join(", ");
  throw watchdErrors.make("WATCHD_E_UNKNOWN_AGENT", `this generation has no agent ${name}`, {
    hint: names === "" ? "It has no agents at all." : `It has: ${names}.`,
  });
}

function agentIn(body: unknown): string {
  const name = typeof body === "object" && body !== null ? Reflect.get(body, "agent") : undefined;
  if (typeof name === "string") return name;
  throw watchdErrors.make("WATCHD_E_BAD_REQUEST", "`agent` is missing");
}

function numbered(list: readonly GenerationInfo[], number: number): GenerationInfo {
  const found = list.find((generation) => generation.number === number);
  if (found !== undefined) return found;
  throw watchdErrors.make("GENERATION_E_NOT_FOUND", `there is no generation ${number}`);
}

function numberIn(body: unknown, key: string): number | undefined {
  if (body === undefined) return undefined;
  const value = typeof body === "object" && body !== null && key in body ? Reflect.get(body, key) : undefined;
  if (value === undefined || (Number.isSafeInteger(value) && value > 0)) return value;
  throw watchdErrors.make("WATCHD_E_BAD_REQUEST", `\`${key}\` must be a positive integer`);
}
