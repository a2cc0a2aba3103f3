import { type DataRecord, type Entry, parseRecordSubject } from "@daruma/ledger";

/** One piece of work: what it has consumed before it produced something is where that comes from. */
export interface Activity {
  /** Two events with the same key belong to the same piece of work. */
  readonly key: string;
  readonly run: string | null;
  /** A part of the run that keeps its own account; `null` for the run as a whole. */
  readonly activity: string | null;
  readonly agent: string;
  /** Number of the generation in which the run began, as far as it is recorded. */
  readonly generation: number | null;
}

/** An entry that says that a record was consumed or produced. */
export interface DataEvent {
  readonly kind: "consume" | "produce";
  readonly seq: number;
  readonly time: string;
  readonly actor: string;
  readonly subject: string;
  readonly record: DataRecord;
  readonly activity: Activity;
  /** The stored text of the entry. */
  readonly line: string;
}

/** Which events are asked for: those of a record, of a run, or of whoever appended them. */
export interface Question {
  readonly kind: DataEvent["kind"];
  readonly label: "subject" | "run" | "actor";
  readonly value: string;
  /** Only events with a greater and a lesser seq. */
  readonly after: number;
  readonly before: number;
  readonly limit: number;
  /** Which of them, and so in which order they come. */
  readonly begin: "oldest" | "newest";
}

export interface Page {
  readonly events: readonly DataEvent[];
  /** The last entry that was looked at; `null` if there are no more. */
  readonly last: number | null;
}

/** The start of a run. */
export interface RunStart {
  readonly run: string;
  readonly agent: string;
  readonly seq: number;
  readonly time: string;
  readonly line: string;
}

/** What a trace is made from. Each question is answered from an index: it costs what its answer holds. */
export interface LineageSource {
  find(question: Question): Promise<Page>;
  /** The runs that began in a generation; `complete` is false where there are too many. */
  runsOf(generation: number): Promise<{ readonly starts: readonly RunStart[]; readonly complete: boolean }>;
}

/**
 * Reads an entry. The subject says which record it is about, whatever the details say; what is not of its type in the details
 * counts as missing, for the ledger takes every entry. `null` if it is about no record.
 */
export function eventOf(entry: Entry, line: string): DataEvent | null {
  const kind = kinds[entry.action];
  const named = parseRecordSubject(entry.subject);
  if (kind === undefined || named === null) return null;
  const { version, sha256 } = entry.details;
  const { seq, time, actor, subject } = entry;
  const record = {
    ...named,
    ...(typeof version === "string" ? { version } : {}),
    ...(typeof sha256 === "string" ? { sha256 } : {}),
  };
  return { kind, seq, time, actor, subject, record, activity: activityOf(entry), line };
}

export const kinds: Readonly<Record<string, DataEvent["kind"]>> = {
  "data.consume": "consume",
  "data.produce": "produce",
};

function activityOf({ run: ownRun, actor, seq, details }: Entry): Activity {
  const run = ownRun ?? null;
  const activity = typeof details.activity === "string" ? details.activity : null;
  const agent = typeof details.agent === "string" ? details.agent : actor;
  const generation = typeof details.generation === "number" ? details.generation : null;
  // Without a run an activity is one of its agent; with neither, nothing joins the entry to another.
  const alone = run !== null ? [] : activity !== null ? [actor, agent] : [seq];
  return { key: JSON.stringify([run, activity, ...alone]), run, activity, agent, generation };
}
