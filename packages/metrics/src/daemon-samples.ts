import type { EgressdStatus } from "@daruma/egress";
import type { LedgerStatus } from "@daruma/ledger";
import type { AgentFacts, Facts, RoutineFacts } from "@daruma/watchd";
import { counted, known, one, type Sample, type Samples, spread } from "./sample.ts";

/** A phase that is added there is missed here by the compiler. */
const phases = Object.keys({
  stopped: true,
  starting: true,
  verifying: true,
  healthy: true,
  stopping: true,
  backoff: true,
  completed: true,
  failed: true,
} satisfies Record<AgentFacts["phase"], true>);

/** What watchd tells, as metrics. */
export function watchdSamples(facts: Facts): Samples {
  const { generation, agents, routines, ledger } = facts;
  const ofAgents = (read: (agent: AgentFacts, labels: { agent: string }) => readonly Sample[]) =>
    agents.flatMap((agent) => read(agent, { agent: agent.name }));
  const ofRoutines = (read: (routine: RoutineFacts, labels: { routine: string }) => readonly Sample[]) =>
    routines.flatMap((routine) => read(routine, { routine: routine.name }));
  return {
    daruma_generation_number: known(generation?.number ?? null),
    daruma_generation_activated_timestamp_seconds: known(seconds(generation?.activatedAt ?? null)),
    daruma_generation_known_good: generation === null ? [] : [one(generation.knownGood)],
    daruma_generations_quarantined: [one(facts.quarantined)],
    daruma_rollback_under_way: [one(facts.rollingBack)],
    daruma_rollbacks_total: counted(facts.rollbacks, "result"),
    daruma_agent_phase: ofAgents(({ phase }, labels) =>
      phases.map((each) => one(each === phase, { ...labels, phase: each })),
    ),
    daruma_agent_required: ofAgents(({ required }, labels) => [one(required, labels)]),
    daruma_agent_held: ofAgents(({ held }, labels) => [one(held, labels)]),
    daruma_agent_stopped: ofAgents(({ stopped }, labels) => [one(stopped, labels)]),
    daruma_agent_recovering: ofAgents(({ recovering }, labels) => [one(recovering, labels)]),
    daruma_agent_start_timestamp_seconds: ofAgents(({ startedAt }, labels) =>
      known(seconds(startedAt), labels),
    ),
    daruma_agent_restarts_total: ofAgents(({ restarts }, labels) => counted(restarts, "cause", labels)),
    daruma_agent_recovery_duration_seconds: ofAgents(({ recoveries }, labels) => spread(recoveries, labels)),
    daruma_routine_runs_total: ofRoutines(({ runs }, labels) => counted(runs, "outcome", labels)),
    daruma_routine_retries_total: ofRoutines(({ retries }, labels) => [one(retries, labels)]),
    daruma_routine_overlaps_total: ofRoutines((routine, labels) =>
      counted(routine.overlaps, "result", labels),
    ),
    daruma_routine_missed_total: ofRoutines(({ missed }, labels) => [one(missed, labels)]),
    daruma_routine_lateness_seconds: ofRoutines(({ lateness }, labels) => spread(lateness, labels)),
    daruma_routine_running: ofRoutines(({ running }, labels) => [one(running, labels)]),
    daruma_routine_waiting: ofRoutines(({ waiting }, labels) => [one(waiting, labels)]),
    daruma_routine_paused: ofRoutines(({ paused }, labels) => [one(paused, labels)]),
    daruma_routine_next_timestamp_seconds: ofRoutines(({ nextAt }, labels) => known(seconds(nextAt), labels)),
    daruma_routine_last_timestamp_seconds: ofRoutines(({ last }, labels) =>
      known(seconds(last?.at ?? null), labels),
    ),
    daruma_routine_last_succeeded: ofRoutines(({ last }, labels) =>
      last === null ? [] : [one(last.succeeded, labels)],
    ),
    daruma_ledger_waiting_entries: [one(ledger.waiting, { writer: "watchd" })],
  };
}

/** What ledgerd tells. */
export function ledgerdSamples(status: LedgerStatus): Samples {
  const { entries, signed, witnessed, witnesses, writable, syncs } = status;
  return {
    daruma_ledger_entries_total: [one(entries)],
    daruma_ledger_unsigned_entries: [one(Math.max(0, entries - signed))],
    daruma_ledger_witnesses: [one(witnesses)],
    daruma_ledger_unwitnessed_entries: [one(Math.max(0, entries - witnessed))],
    daruma_ledger_writable: [one(writable)],
    daruma_ledger_sync_duration_seconds: spread(syncs),
  };
}

/** What egressd tells. */
export function egressdSamples({ agents, waiting }: EgressdStatus): Samples {
  const all = Object.entries(agents);
  return {
    daruma_egress_connections_total: all.flatMap(([agent, { opened, denied, failed }]) =>
      counted({ allowed: opened, denied, failed }, "result", { agent }),
    ),
    daruma_egress_open_connections: all.map(([agent, { connections }]) => one(connections, { agent })),
    daruma_egress_bytes_total: all.flatMap(([agent, { sentBytes, receivedBytes }]) =>
      counted({ sent: sentBytes, received: receivedBytes }, "direction", { agent }),
    ),
    daruma_egress_enforced: all.flatMap(([agent, { mode, enforced }]) =>
      mode === "enforce" ? [one(enforced, { agent })] : [],
    ),
    daruma_ledger_waiting_entries: [one(waiting, { writer: "egressd" })],
  };
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
