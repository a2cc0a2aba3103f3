/** What the agent knows about itself; the pipeline writes it, `/health` reads it. */
export interface Progress {
  /** `starting` until this process has stored a batch or found that there is nothing left to do. */
  phase: "starting" | "loading" | "complete";
  loaded: number;
  rejected: number;
  /** Records in the data set; null until they are counted. */
  total: number | null;
  /** The record that this process began at, when an earlier one had come so far; null after a first start. */
  resumedFrom: number | null;
  /** Why the last attempt failed; null when it did not. */
  failure: Failure | null;
}

export interface Failure {
  readonly reason: string;
  /** What outside the agent is at fault. Daruma then backs off and alerts; rolling back would not help. */
  readonly dependency: string | null;
}

export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}

export function newProgress(): Progress {
  return { phase: "starting", loaded: 0, rejected: 0, total: null, resumedFrom: null, failure: null };
}

/** Being up is not being healthy: 200 is answered only by a process that has done some of its work. */
export function healthAnswer(progress: Progress): HealthAnswer {
  const { failure, ...facts } = progress;
  if (failure !== null) {
    const dependency = failure.dependency === null ? {} : { dependency: failure.dependency };
    return { status: 503, body: { status: "failing", reason: failure.reason, ...dependency, ...facts } };
  }
  if (progress.phase === "starting") return { status: 503, body: { status: "starting", ...facts } };
  return { status: 200, body: { status: "ok", ...facts } };
}
