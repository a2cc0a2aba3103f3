import { defineErrors, exitCode } from "@daruma/base";

/** What `agentctl check` finds in a fleet that is valid all the same. Each can be silenced in the fleet file, with a reason. */
export const lintErrors = defineErrors({
  LINT_E_NO_HEALTH: {
    summary:
      "An agent has neither a health check nor a heartbeat: it counts as healthy for as long as its process is there, also while it hangs.",
    remedy:
      "Set `health` or `heartbeat`, or silence the finding with the reason why a process that is there is enough.",
    exit: exitCode.error,
  },
  LINT_E_PORT_CLASH: {
    summary:
      "Two things on one host want the same port of its loopback address; only one of them can have it.",
    remedy: "Give each a port of its own.",
    exit: exitCode.error,
  },
  LINT_E_EGRESS_OPEN: {
    summary: "An agent may reach everything: neither it, nor its host, nor the fleet has egress rules.",
    remedy: "List in `egress` what it needs; `agentctl egress suggest` derives that from what it reached.",
    exit: exitCode.error,
  },
  LINT_E_EGRESS_OBSERVED: {
    summary: "A host has egress rules that are not enforced: its agents can reach everything.",
    remedy:
      'Set `egress.mode` to "enforce" once `agentctl egress log` shows nothing that should not be refused.',
    exit: exitCode.error,
  },
  LINT_E_EGRESS_SHARED: {
    summary:
      "An agent may reach every name below one under which anybody can rent a name, and so send data to anybody.",
    remedy: "Name the bucket, application or account that is meant.",
    exit: exitCode.error,
  },
  LINT_E_GRACE: {
    summary:
      "An agent may take longer to stop than the probation of a generation lasts: a rollback waits longer for the old code to end than the new one needed to be trusted.",
    remedy: "Make `stop.grace` shorter, or `watchdog.probation` longer.",
    exit: exitCode.error,
  },
  LINT_E_NO_KNOWN_GOOD: {
    summary:
      "An agent escalates to a rollback that can never happen, or to generations that never proved it.",
    remedy:
      'Set `watchdog.rollbackBudget` to 1 or more and `required` to true, or take "rollback" out of `escalate`.',
    exit: exitCode.error,
  },
  LINT_E_DST_GAP: {
    summary:
      "A routine has a time of day that its time zone leaves out within the next year, when the clocks go forward: that run is later than on any other day.",
    remedy:
      "Choose a time outside that hour or a zone without summer time, such as UTC, or silence the finding with the reason why one run may be late.",
    exit: exitCode.error,
  },
  LINT_E_PLAIN_SECRET: {
    summary:
      "A secret is in the fleet file. From there it gets into generated files, the Nix store, which everybody on the host can read, and every generation.",
    remedy:
      "Put it into a file on the host, name that in `credentials`, and replace the secret: it has been seen.",
    exit: exitCode.error,
  },
  LINT_E_NOT_REPEATABLE: {
    summary:
      "The fleet file is not the same twice: it gave another fleet, or failed, when it was evaluated again.",
    remedy: "Take out what depends on time, chance, the network, or what an earlier evaluation left behind.",
    exit: exitCode.error,
  },
  LINT_E_SILENCE: {
    summary:
      "A `daruma-ignore` comment has no reason, names a code that cannot be silenced, or silences nothing.",
    remedy: "Write `// daruma-ignore CODE: reason` above what it is about, or take the comment out.",
    exit: exitCode.error,
  },
});

export type LintCode = keyof typeof lintErrors.catalogue;
