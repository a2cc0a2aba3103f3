import { baseErrors, callUnix } from "@daruma/base";

/*
 * The documents of watchd's socket, as far as they are shown here. Each carries a schemaVersion, which is checked; the
 * fields are those of the same release.
 */

export interface AgentStatus {
  readonly name: string;
  readonly phase: string;
  readonly held: boolean;
  readonly stoppedBy: "person" | "outside" | null;
  readonly required: boolean;
  readonly pid: number | null;
  readonly uptimeMs: number | null;
  readonly restarts: number;
  readonly recentFailures: number;
  readonly restartInMs: number | null;
  readonly waitsFor: string | null;
  /** Other settings than its generation declares; left out by an earlier release. */
  readonly standIn?: { readonly kind: "fallback" | "earlier"; readonly number: number | null } | null;
  /** Of its newest health checks; left out by an earlier release. */
  readonly checks?: { readonly missed: number; readonly of: number } | null;
  readonly incident: { readonly id: string; readonly cause: string; readonly since: string } | null;
}

export interface RollbackStatus {
  readonly id: string;
  readonly by: string;
  readonly target: string;
  readonly targetNumber: number | null;
  readonly agent: string | null;
}

export interface StatusDocument {
  readonly schemaVersion: 1;
  readonly host: string;
  readonly pid: number;
  readonly draining: boolean;
  readonly generation: {
    readonly number: number;
    readonly path: string;
    readonly activatedAt: string;
    readonly knownGood: boolean;
    readonly promotion: "pending" | "verifying" | "done";
    readonly probationEndsInMs: number | null;
    /** What keeps the probation from running; null once that is over, left out by an earlier release. */
    readonly heldUpBy?: { readonly agents: readonly string[]; readonly ledger: boolean } | null;
  } | null;
  readonly rollback: RollbackStatus | null;
  /** The switch to it has failed, and it is what boots next; left out by an earlier release. */
  readonly rollbackAtBoot?: RollbackStatus | null;
  readonly agents: readonly AgentStatus[];
  readonly quarantine: readonly { readonly path: string; readonly number: number; readonly agent: string }[];
  readonly ledger: { readonly connected: boolean; readonly waiting: number };
}

export interface GenerationRow {
  readonly number: number;
  readonly path: string;
  readonly createdAt: string;
  readonly current: boolean;
  readonly knownGood: boolean;
  readonly quarantined: boolean;
}

export interface GenerationsDocument {
  readonly schemaVersion: 1;
  readonly generations: readonly GenerationRow[];
}

/** How a rollback for an agent is judged, rule by rule; `target` is null unless all hold. */
export interface Judgement {
  readonly target: string | null;
  readonly toNumber: number | null;
  readonly rules: readonly { readonly rule: string; readonly holds: boolean; readonly why: string }[];
}

/** Of the agents that are being recovered, as it stands now. */
export interface JudgementsDocument {
  readonly schemaVersion: 1;
  readonly judgements: readonly (Judgement & {
    readonly agent: string;
    readonly incident: string;
    /** `fallback`, `rollback-agent` or `rollback`; left out by an earlier release, which knew the last alone. */
    readonly to?: string;
  })[];
}

export interface RollbackDocument {
  readonly schemaVersion: 1;
  readonly id: string | null;
  readonly from: string;
  readonly target: string;
  readonly targetNumber: number | null;
}

/** Where the machine differs from its generation. */
export interface DriftDocument {
  readonly schemaVersion: 1;
  readonly generation: { readonly number: number; readonly path: string };
  readonly policy: string;
  readonly lookedAt: string | null;
  readonly differences: readonly {
    readonly kind: string;
    /** Path of a file, or the name of a unit or an agent. */
    readonly at: string;
    readonly since: string;
    /** Lines as diff prints them. */
    readonly diff: readonly string[];
    readonly remedy: string;
    readonly correctable: boolean;
    readonly corrections: number;
    readonly held: boolean;
  }[];
  /** What could not be looked at. */
  readonly unseen: readonly { readonly kind: string; readonly why: string }[];
  readonly notes: readonly string[];
  /** Instants in Unix milliseconds. */
  readonly store: {
    readonly paths: number;
    readonly bytes: number;
    readonly verified: number;
    readonly roundBeganAt: number;
    readonly lastRoundEndedAt: number | null;
  };
}

export interface RoutineFiring {
  readonly run: string;
  readonly trigger: string;
  readonly cause: string | null;
  /** The time that it is for (RFC 3339). */
  readonly nominal: string;
}

export interface RoutineStatus {
  readonly name: string;
  readonly schedule: string | null;
  readonly timezone: string | null;
  readonly next: string | null;
  readonly paused: { readonly by: string; readonly why: string; readonly since: string } | null;
  readonly runs: readonly (RoutineFiring & {
    readonly phase: "starting" | "running" | "stopping" | "backoff";
    readonly attempt: number;
    readonly began: string;
    readonly runningMs: number | null;
    readonly retryInMs: number | null;
  })[];
  readonly waiting: readonly RoutineFiring[];
  readonly last: { readonly run: string; readonly outcome: string; readonly at: string } | null;
}

export interface RoutineDetails extends RoutineStatus {
  /** The next times of its schedule. */
  readonly times: readonly string[];
  readonly manifest: {
    readonly command: readonly string[];
    readonly atBoot: boolean;
    readonly after: readonly string[];
    readonly overlap: { readonly kind: string; readonly limit: number };
    readonly missed: { readonly run: string; readonly withinMs: number };
    readonly retries: number;
    readonly timeoutMs: number | null;
    readonly group: string | null;
  };
  /** Where the newest runs have their files, the newest first. */
  readonly files: readonly {
    readonly run: string;
    readonly directory: string;
    /** Under which the journal has what it writes; null where that is the file `log`. */
    readonly unit: string | null;
  }[];
}

export interface RunAnswer {
  readonly schemaVersion: 1;
  readonly routine: string;
  readonly run: string;
  readonly outcome: "accepted" | "skipped" | "dropped";
  readonly why: string | null;
}

export interface StopRunsAnswer {
  readonly schemaVersion: 1;
  readonly routine: string;
  /** The runs that were active or waited. */
  readonly runs: readonly string[];
}

interface RoutineDocument {
  readonly schemaVersion: 1;
  readonly routine: RoutineStatus;
}

/** watchd behind its socket. Every call may throw SOCKET_E_* and what watchd itself answers with. */
export interface AlertMessage {
  readonly id: string;
  readonly sink: string;
  readonly state: "waiting" | "sent" | "failed";
  readonly kind: "open" | "over" | "event" | "test";
  readonly title: string;
  /** Of a digest: how many alerts it is about. */
  readonly members: number;
  readonly why: string | null;
  readonly providerId: string | null;
}

export interface AlertsDocument {
  readonly schemaVersion: 1;
  readonly sinks: readonly {
    readonly name: string;
    readonly kind: string;
    readonly state: "ok" | "failing" | "denied";
    readonly why: string | null;
    readonly waiting: number;
    readonly gathered: number;
    /** Counted only, beside what is gathered. */
    readonly unlisted: number;
  }[];
  readonly deadMansSwitch: { readonly lastBeatAt: string | null; readonly why: string | null } | null;
  readonly open: readonly {
    readonly key: string;
    readonly severity: string;
    readonly title: string;
    readonly since: string;
  }[];
  readonly messages: readonly AlertMessage[];
}

/** A test waits for every sink, each of which has 15 s. */
const alertTestWithinMs = 60_000;

export interface WatchdClient {
  status(): Promise<StatusDocument>;
  generations(): Promise<GenerationsDocument>;
  judgements(): Promise<JudgementsDocument>;
  /** Both look first, which takes as long as what is changing goes on changing. */
  drift(timeoutMs: number): Promise<DriftDocument>;
  fixDrift(timeoutMs: number): Promise<DriftDocument>;
  rollback(to: number): Promise<RollbackDocument>;
  allow(number: number): Promise<{ readonly schemaVersion: 1; readonly path: string }>;
  /** Both answer once the person's word is durable. */
  stopAgent(agent: string): Promise<{ readonly schemaVersion: 1; readonly agent: string }>;
  startAgent(agent: string): Promise<{ readonly schemaVersion: 1; readonly agent: string }>;
  routines(): Promise<{ readonly schemaVersion: 1; readonly routines: readonly RoutineStatus[] }>;
  routine(name: string): Promise<{ readonly schemaVersion: 1; readonly routine: RoutineDetails }>;
  /** Answers once it is durable what became of the request. `input` in Base64. */
  runRoutine(routine: string, by: string, input: string | null): Promise<RunAnswer>;
  /** Answers once it is durable that the runs are to end. */
  stopRoutine(routine: string, run: string | null, by: string): Promise<StopRunsAnswer>;
  pauseRoutine(routine: string, by: string, why: string): Promise<RoutineDocument>;
  resumeRoutine(routine: string, by: string): Promise<RoutineDocument>;
  alerts(): Promise<AlertsDocument>;
  /** Answers once each sink has said something, or 20 s are over. */
  testAlerts(
    sink: string | undefined,
    by: string,
  ): Promise<{ readonly schemaVersion: 1; readonly results: readonly AlertMessage[] }>;
  /** Ends every run of a routine at once, and starts no other. */
  killRuns(): Promise<unknown>;
  reload(): Promise<{ readonly number: number | null; readonly path: string | null }>;
  /** Resolves once nothing runs any more; no limit of time, since agents have graces of their own. */
  drain(timeoutMs: number): Promise<void>;
}

export function watchdClient(socket: string): WatchdClient {
  const call = async <T>(
    method: "GET" | "POST",
    route: string,
    body?: object,
    timeoutMs?: number,
  ): Promise<T> => {
    const document = await callUnix({
      path: socket,
      method,
      route,
      ...(body === undefined ? {} : { body }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    if (Reflect.get(Object(document), "schemaVersion") === 1) return document as T;
    throw baseErrors.make("SOCKET_E_PROTOCOL", `${socket} answered with a document of an unknown version`, {
      where: socket,
    });
  };
  return {
    status: () => call("GET", "/v1/status"),
    generations: () => call("GET", "/v1/generations"),
    judgements: () => call("GET", "/v1/judgements"),
    drift: (timeoutMs) => call("GET", "/v1/drift", undefined, timeoutMs),
    fixDrift: (timeoutMs) => call("POST", "/v1/drift/fix", undefined, timeoutMs),
    rollback: (to) => call("POST", "/v1/rollback", { to }),
    allow: (number) => call("POST", "/v1/allow", { number }),
    stopAgent: (agent) => call("POST", "/v1/agents/stop", { agent }),
    startAgent: (agent) => call("POST", "/v1/agents/start", { agent }),
    routines: () => call("GET", "/v1/routines"),
    routine: (name) => call("GET", `/v1/routine?${new URLSearchParams({ name })}`),
    runRoutine: (routine, by, input) =>
      call("POST", "/v1/routines/run", { routine, by, ...(input === null ? {} : { input }) }),
    stopRoutine: (routine, run, by) =>
      call("POST", "/v1/routines/stop", { routine, by, ...(run === null ? {} : { run }) }),
    pauseRoutine: (routine, by, why) => call("POST", "/v1/routines/pause", { routine, by, why }),
    resumeRoutine: (routine, by) => call("POST", "/v1/routines/resume", { routine, by }),
    alerts: () => call("GET", "/v1/alerts"),
    testAlerts: (sink, by) =>
      call("POST", "/v1/alerts/test", { by, ...(sink === undefined ? {} : { sink }) }, alertTestWithinMs),
    killRuns: () => call("POST", "/v1/routines/kill"),
    reload: () => call("POST", "/v1/reload"),
    drain: async (timeoutMs) => void (await call("POST", "/v1/drain", undefined, timeoutMs)),
  };
}
