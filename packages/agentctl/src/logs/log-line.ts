/** A line that an agent has written, with what the ledger knows of the moment. */
export interface LogLine {
  readonly agent: string;
  /** RFC 3339 with microseconds; null where nothing wrote it down: under `agentctl dev` agents write to files themselves. */
  readonly time: string | null;
  readonly run: string | null;
  /** The incident that was open when it was written; where lines bear no times, the one that its run was started in. */
  readonly incident: string | null;
  /** Number of the generation in which its run began. */
  readonly generation: number | null;
  /** Syslog severity, 0 to 7 (RFC 5424 6.2.1). */
  readonly severity: number;
  readonly message: string;
}

/** A line as its source has it. */
export interface SourceLine {
  readonly agent: string;
  /** Unix time in microseconds, or null. */
  readonly timeUs: number | null;
  /** Null where the source does not know. */
  readonly run: string | null;
  /** systemd's id of the run. */
  readonly invocation: string | null;
  readonly severity: number;
  readonly message: string;
  /** By which the source goes on after this line. */
  readonly cursor: string;
}

export interface SourceQuery {
  readonly agent: string;
  /** Go on after this one. */
  readonly after?: string | undefined;
  /** Only lines from this moment on (Unix ms); where lines bear no times, those of the runs that have lived since. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** Only this many, the newest. */
  readonly newest?: number | undefined;
  readonly follow: boolean;
  /** Told of bytes that are not there any more. */
  readonly onLost?: ((bytes: number) => void) | undefined;
  readonly signal: AbortSignal;
}

/** Where agents' lines are. Ends when there is no more, or with `follow` never. */
export type LogSource = (query: SourceQuery) => AsyncIterable<SourceLine>;

/** What agents write without saying how grave it is. */
export const informational = 6;
