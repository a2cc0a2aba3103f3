import type { Entry } from "@daruma/ledger";
import { ends, momentOf } from "../incident/incident.ts";
import type { LogLine, SourceLine } from "./log-line.ts";

interface RunNote {
  readonly run: string;
  /** Unix ms. */
  readonly at: number;
  readonly generation: number | null;
  readonly incident: string | null;
}

interface Span {
  readonly incident: string;
  readonly from: number;
  to: number;
}

/** Runs begin with these. */
const begins: readonly string[] = ["agent.start", "agent.adopt"];

/**
 * What the ledger says of one agent, by which its lines are put into their place: which run, generation and incident one belongs to.
 * A run is noted before its process is started, and the one before it has ended by then: so a line with a time belongs to the last
 * run that was noted before it.
 */
export class History {
  readonly #runs: RunNote[] = [];
  readonly #byRun = new Map<string, RunNote>();
  readonly #spans: Span[] = [];

  /** In the order of the ledger. */
  add(entry: Entry): void {
    const { action, incident, run, details } = entry;
    const at = Date.parse(momentOf(entry));
    if (begins.includes(action) && run !== undefined && !this.#byRun.has(run)) {
      const generation = typeof details.generation === "number" ? details.generation : null;
      const note = { run, at, generation, incident: incident ?? null };
      this.#runs.push(note);
      this.#byRun.set(run, note);
    }
    if (incident === undefined) return;
    const open = this.#spans.find((span) => span.incident === incident);
    if (open === undefined) this.#spans.push({ incident, from: at, to: Number.POSITIVE_INFINITY });
    else if (Object.hasOwn(ends, action)) open.to = at;
  }

  place({ agent, timeUs, run, invocation, severity, message }: SourceLine): LogLine {
    const note = this.#noteOf(timeUs, run, invocation);
    const open =
      timeUs === null ? undefined : this.#spans.findLast(({ from, to }) => within(timeUs / 1000, from, to));
    return {
      agent,
      time: timeUs === null ? null : timeOf(timeUs),
      run: run ?? note?.run ?? null,
      incident: (timeUs === null ? note?.incident : open?.incident) ?? null,
      generation: note?.generation ?? null,
      severity,
      message,
    };
  }

  #noteOf(timeUs: number | null, run: string | null, invocation: string | null): RunNote | undefined {
    if (run !== null) return this.#byRun.get(run);
    const own = invocation === null ? undefined : this.#byRun.get(`inv-${invocation}`);
    if (own !== undefined || timeUs === null) return own;
    return this.#runs.findLast(({ at }) => at <= timeUs / 1000);
  }
}

/** A moment is told in milliseconds. */
function within(ms: number, from: number, to: number): boolean {
  return Math.floor(ms) >= from && ms <= to;
}

/** RFC 3339. A Date has milliseconds only. */
function timeOf(timeUs: number): string {
  const micros = String(timeUs % 1000).padStart(3, "0");
  return new Date(Math.floor(timeUs / 1000)).toISOString().replace("Z", `${micros}Z`);
}
