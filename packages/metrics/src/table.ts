/**
 * Every metric that Daruma exports. The one place where they are described: docs/reference/metrics.md is made from it, and what
 * a scrape exports is held to it. Names, units and types as https://prometheus.io/docs/practices/naming/ has them.
 */
export interface Metric {
  readonly type: "gauge" | "counter" | "histogram";
  readonly labels: readonly string[];
  /** Of the values; null for what is counted or is true (1) or false (0). */
  readonly unit: "seconds" | "bytes" | null;
  readonly help: string;
}

const gauge = (labels: readonly string[], help: string, unit: Metric["unit"] = null): Metric => ({
  type: "gauge",
  labels,
  unit,
  help,
});
const counter = (labels: readonly string[], help: string, unit: Metric["unit"] = null): Metric => ({
  type: "counter",
  labels,
  unit,
  help,
});
const seconds = (labels: readonly string[], help: string): Metric => ({
  type: "histogram",
  labels,
  unit: "seconds",
  help,
});

export const metricTable = {
  daruma_up: gauge(
    ["daemon"],
    "Whether the daemon answered. What it would have told is left out if it did not.",
  ),
  daruma_answer_duration_seconds: gauge(["daemon"], "How long the daemon took to answer.", "seconds"),

  daruma_generation_number: gauge([], "Number of the generation that is current."),
  daruma_generation_activated_timestamp_seconds: gauge([], "When it became current (Unix time).", "seconds"),
  daruma_generation_known_good: gauge([], "Whether it is proven, and so a target for rollbacks."),
  daruma_generations_quarantined: gauge(
    [],
    "Generations that were rolled back from and that nobody has allowed since.",
  ),
  daruma_rollback_under_way: gauge([], "Whether a rollback is under way."),
  daruma_rollbacks_total: counter(
    ["result"],
    "Rollbacks that have ended: rolled-back, rollback-failed or rollback-abandoned.",
  ),

  daruma_agent_phase: gauge(["agent", "phase"], "1 for the phase that the agent is in, 0 for every other."),
  daruma_agent_required: gauge(
    ["agent"],
    "Whether a generation is known-good only once this agent has stayed healthy.",
  ),
  daruma_agent_held: gauge(["agent"], "Whether nothing helps: it is tried again at the longest backoff."),
  daruma_agent_stopped: gauge(
    ["agent"],
    "Whether it is not to run although it is declared: a person has stopped it.",
  ),
  daruma_agent_recovering: gauge(["agent"], "Whether it has failed and has not been proven healthy since."),
  daruma_agent_start_timestamp_seconds: gauge(
    ["agent"],
    "When its run began (Unix time); left out while it does not run.",
    "seconds",
  ),
  daruma_agent_restarts_total: counter(
    ["agent", "cause"],
    "Restarts after a failure, by the cause of the incident.",
  ),
  daruma_agent_recovery_duration_seconds: seconds(
    ["agent"],
    "From a failure to the proof that it is healthy again.",
  ),
  daruma_agent_memory_bytes: gauge(["agent"], "Memory in use by all of its processes.", "bytes"),
  daruma_agent_cpu_seconds_total: counter(
    ["agent"],
    "Processor time of all of its processes, of its current run.",
    "seconds",
  ),
  daruma_agent_open_files: gauge(
    ["agent"],
    "File descriptors that its processes have open; on a host as watchd has counted them last, at most 15 s ago.",
  ),

  daruma_routine_runs_total: counter(
    ["routine", "outcome"],
    "Runs that are over: succeeded, failed, replaced or stopped.",
  ),
  daruma_routine_retries_total: counter(
    ["routine"],
    "Attempts that failed and were followed by another one.",
  ),
  daruma_routine_overlaps_total: counter(
    ["routine", "result"],
    "Firings that found no place: skipped, queued or dropped.",
  ),
  daruma_routine_missed_total: counter(
    ["routine"],
    "Stretches of time in which it was due and nobody could decide on it.",
  ),
  daruma_routine_lateness_seconds: seconds(["routine"], "From the time that a run is for to its start."),
  daruma_routine_running: gauge(["routine"], "Runs that are under way."),
  daruma_routine_waiting: gauge(["routine"], "Firings that wait for their start."),
  daruma_routine_paused: gauge(["routine"], "Whether a person has paused it."),
  daruma_routine_next_timestamp_seconds: gauge(
    ["routine"],
    "When it is due next (Unix time); left out if never.",
    "seconds",
  ),
  daruma_routine_last_timestamp_seconds: gauge(
    ["routine"],
    "When its last run was over (Unix time).",
    "seconds",
  ),
  daruma_routine_last_succeeded: gauge(["routine"], "Whether its last run succeeded."),

  daruma_egress_connections_total: counter(
    ["agent", "result"],
    "What the agent asked egressd for: allowed, denied or failed. In mode observe, what is denied is allowed as well.",
  ),
  daruma_egress_open_connections: gauge(["agent"], "Connections that are open."),
  daruma_egress_bytes_total: counter(
    ["agent", "direction"],
    "Bytes that its connections carried: sent or received.",
    "bytes",
  ),
  daruma_egress_enforced: gauge(
    ["agent"],
    "Whether it is proven that the kernel keeps the agent to its rules; left out in mode observe.",
  ),

  daruma_ledger_entries_total: counter([], "Entries since the ledger began, pruned ones among them."),
  daruma_ledger_unsigned_entries: gauge([], "Newest entries that no checkpoint covers yet."),
  daruma_ledger_witnesses: gauge([], "Witnesses that are to see the ledger."),
  daruma_ledger_unwitnessed_entries: gauge(
    [],
    "Newest entries that no witness has seen; all of them where there is none.",
  ),
  daruma_ledger_writable: gauge([], "Whether the last write worked."),
  daruma_ledger_sync_duration_seconds: seconds([], "Time that groups of entries took to be durable."),
  daruma_ledger_waiting_entries: gauge(["writer"], "Entries that ledgerd has not acknowledged yet."),

  daruma_host_load_average: gauge(
    ["minutes"],
    "Processes that ran or waited for a processor or a disk, averaged over 1, 5 and 15 minutes.",
  ),
  daruma_host_processors: gauge([], "Processors of the host."),
  daruma_host_memory_size_bytes: gauge([], "Memory of the host.", "bytes"),
  daruma_host_memory_available_bytes: gauge(
    [],
    "Memory that programs can still get without swapping.",
    "bytes",
  ),
  daruma_host_filesystem_size_bytes: gauge(["path"], "Size of the file system that holds the path.", "bytes"),
  daruma_host_filesystem_available_bytes: gauge(
    ["path"],
    "What is left of it for users other than root.",
    "bytes",
  ),
  daruma_host_network_bytes_total: counter(
    ["device", "direction"],
    "Bytes that the device has received or sent.",
    "bytes",
  ),
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof metricTable;

export const metricNames = Object.keys(metricTable) as readonly MetricName[];
