import { type DarumaError, type Handler, isDarumaError, messageOf, type Refusal } from "@daruma/base";
import { type Appended, recordSubject } from "@daruma/ledger";
import { watchdErrors } from "../catalogue.ts";
import { leastOwnUptimeMs, type OwnRestartRefusal, refuseOwnRestart } from "../policy/own-restart.ts";
import type { State } from "../policy/state.ts";
import { type CurrentRun, currentRun, selfOf } from "./current-run.ts";
import type { AgentLedger } from "./ledger.ts";
import { agentPace, type Bucket, fullBucket, take } from "./pace.ts";
import { type DataStatement, maxStatements, parseStatements } from "./records.ts";

export interface RoutesOptions {
  /** Null before the supervisor has begun. */
  readonly state: () => State | null;
  readonly ledger: AgentLedger;
  readonly onRestart: (agent: string, runId: string) => void;
  readonly onIdle: (agent: string, runId: string, forMs: number) => void;
  readonly onProgress: (agent: string, runId: string, count: number) => void;
  /** On the clock of the state, in milliseconds. */
  readonly monoNow: () => number;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
}

/** After this, whatever was asked for can be paid. */
const enoughSeconds = Math.ceil(maxStatements / agentPace.perSecond);

/** What the agent `name` may ask through its own socket. Who asks is known from the socket alone. */
export function agentRoutes(name: string, options: RoutesOptions): Readonly<Record<string, Handler>> {
  let bucket: Bucket = fullBucket(agentPace, options.now());
  const pay = (entries: number) => {
    const { waitMs, ...taken } = take(agentPace, bucket, entries, options.now());
    bucket = taken.bucket;
    if (waitMs > 0) throw tooFast();
  };
  const append =
    (action: string): Handler =>
    async ({ body }) => {
      const statements = parseStatements(body);
      const run = runOf(options, name);
      pay(statements.length);
      const appended = statements.map((statement) =>
        options.ledger.append({
          action,
          agent: name,
          subject: recordSubject(statement.record),
          run: run.runId,
          details: detailsOf(name, statement, run.generation),
          ...(statement.payload === undefined ? {} : { payload: statement.payload }),
        }),
      );
      const entries = (await settled(appended)).map(written);
      return { schemaVersion: 1, ...(Array.isArray(body) ? { entries } : entries[0]) };
    };
  return {
    "GET /v1/self": async () => selfOf(stateOf(options), name),
    // That there was a request at all is what counts, and has been noticed before this.
    "POST /v1/heartbeat": async () => {
      const { runId } = runOf(options, name);
      const heartbeat = stateOf(options).agents[name]?.policy.heartbeat ?? null;
      return {
        schemaVersion: 1,
        run: runId,
        everyMs: heartbeat?.through === "http" ? heartbeat.everyMs : null,
      };
    },
    "POST /v1/restart": async () => {
      const { runId } = runOf(options, name);
      const why = refuseOwnRestart(stateOf(options), name, runId, options.monoNow());
      // Who asks too often is refused by the policy too, which tells a person of it.
      if (why === null || why === "too-often") options.onRestart(name, runId);
      if (why !== null) throw notNow(name, why);
      return { schemaVersion: 1, run: runId };
    },
    "POST /v1/idle": async ({ body }) => {
      const { runId } = runOf(options, name);
      const forMs = numberIn(body, "forMs", longestIdleMs);
      // Told before it is asked to stop: it may answer for that itself.
      const restart = forMs > 0 && stateOf(options).agents[name]?.pending != null;
      options.onIdle(name, runId, forMs);
      return { schemaVersion: 1, run: runId, restart };
    },
    "POST /v1/progress": async ({ body }) => {
      const { runId } = runOf(options, name);
      options.onProgress(name, runId, numberIn(body, "count", Number.MAX_SAFE_INTEGER));
      const progress = stateOf(options).agents[name]?.policy.progress;
      return { schemaVersion: 1, run: runId, withinMs: progress?.withinMs ?? null };
    },
    "POST /v1/consume": append("data.consume"),
    "POST /v1/produce": append("data.produce"),
  };
}

/** Nobody has nothing to do for longer. */
const longestIdleMs = 7 * 86_400_000;

function numberIn(body: unknown, key: string, most: number): number {
  const value = typeof body === "object" && body !== null ? Reflect.get(body, key) : undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw watchdErrors.make("AGENT_E_BAD_REQUEST", `\`${key}\` must be a whole number from 0 to ${most}`);
}

/** With which status an agent is refused. */
export function refusalOf(error: DarumaError): Refusal {
  switch (error.code) {
    case "AGENT_E_TOO_FAST":
      return { status: 429, retryAfterSeconds: enoughSeconds };
    case "AGENT_E_TOO_SOON":
      return { status: 429, retryAfterSeconds: leastOwnUptimeMs / 1000 };
    case "AGENT_E_TOO_OFTEN":
      return { status: 429, retryAfterSeconds: 60 };
    case "AGENT_E_LEDGER_AWAY":
    case "AGENT_E_NO_RUN":
      return { status: 503, retryAfterSeconds: 1 };
    default:
      return { status: 400 };
  }
}

function detailsOf(agent: string, { record, activity }: DataStatement, generation: number | null) {
  return {
    ...record,
    agent,
    ...(activity === undefined ? {} : { activity }),
    ...(generation === null ? {} : { generation }),
  };
}

/** Waits for all of them: what is answered must not change any more. */
async function settled(appends: readonly Promise<Appended>[]): Promise<readonly Appended[]> {
  const outcomes = await Promise.allSettled(appends);
  const failed = outcomes.filter((outcome) => outcome.status === "rejected");
  const first: unknown = failed[0]?.reason;
  if (first === undefined) return Promise.all(appends);
  if (!isDarumaError(first)) throw first;
  const durable = outcomes.length - failed.length;
  const some = durable === 0 ? "" : ` (${durable} of ${outcomes.length} are in the ledger)`;
  throw watchdErrors.make(
    "AGENT_E_LEDGER_AWAY",
    `the ledger has not acknowledged: ${messageOf(first)}${some}`,
    { cause: first },
  );
}

function written(appended: Appended): object {
  // Only requests with a key can be duplicates, and these have none.
  if (appended.duplicate) throw new Error("the ledger took an entry without a key for a duplicate");
  return { seq: appended.seq, hash: appended.hash };
}

function runOf(options: RoutesOptions, name: string): CurrentRun {
  const run = currentRun(stateOf(options), name);
  if (run !== null) return run;
  throw watchdErrors.make("AGENT_E_NO_RUN", `watchd does not know of a run of ${name} yet`);
}

function stateOf({ state }: RoutesOptions): State {
  const now = state();
  if (now === null) throw watchdErrors.make("AGENT_E_NO_RUN", "watchd is starting");
  return now;
}

function notNow(name: string, why: OwnRestartRefusal): DarumaError {
  if (why === "not-running")
    return watchdErrors.make("AGENT_E_NO_RUN", `${name} does not run, or is being stopped already`);
  if (why === "too-often")
    return watchdErrors.make("AGENT_E_TOO_OFTEN", `${name} has restarted itself as often as it may fail`);
  const message = `a run may ask for its own restart once it has lasted ${leastOwnUptimeMs / 1000} seconds`;
  return watchdErrors.make("AGENT_E_TOO_SOON", message);
}

function tooFast(): DarumaError {
  const { perSecond, burst } = agentPace;
  const message = `an agent may append ${perSecond} entries a second, and ${burst} at once`;
  return watchdErrors.make("AGENT_E_TOO_FAST", message);
}
