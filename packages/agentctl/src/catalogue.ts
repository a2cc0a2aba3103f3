import { defineErrors, exitCode } from "@daruma/base";

export const agentctlErrors = defineErrors({
  CLI_E_USAGE: {
    summary: "A command, an option or a value on the command line is wrong or missing.",
    remedy: "Run `agentctl --help`, or `agentctl COMMAND --help`.",
    exit: exitCode.usage,
  },
  CLI_E_CONFIRM: {
    summary: "A command that changes a running system needs a yes, and there is no terminal to ask on.",
    remedy: "Add --yes.",
    exit: exitCode.usage,
  },
  CLI_E_DECLINED: {
    summary: "The question whether to go on was not answered with yes. Nothing was changed.",
    remedy: "Answer y, or add --yes.",
    exit: exitCode.error,
  },
  CLI_E_INTERRUPTED: {
    summary: "agentctl was interrupted (SIGINT, Ctrl-C). What was acknowledged before is kept.",
    remedy: "Run the command again; every command can be repeated.",
    exit: exitCode.interrupted,
  },
  CLI_E_TERMINATED: {
    summary:
      "agentctl was told to end (SIGTERM, or SIGHUP from a closed terminal). What was acknowledged is kept.",
    remedy: "Run the command again; every command can be repeated.",
    exit: exitCode.terminated,
  },
  CLI_E_OUTPUT: {
    summary: "Stdout, or a file that a command was asked to write, could not be written.",
    remedy: "Check directory, permissions and disk space of where the output goes.",
    exit: exitCode.error,
  },
  CLI_E_NOT_INSTALLED: {
    summary: "`npx agentctl` found no bundle of agentctl, or no Node that is new enough for it.",
    remedy: "Run `make build` in the repository.",
    exit: exitCode.error,
  },
  CLI_E_BUG: {
    summary: "agentctl itself failed in a way that was not foreseen.",
    remedy: "Report it together with the stack that was printed on stderr.",
    exit: exitCode.error,
  },
  INIT_E_EXISTS: {
    summary: "`agentctl init` would overwrite files. It wrote nothing.",
    remedy: "Choose another directory, or move the files away.",
    exit: exitCode.error,
  },
  INIT_E_WRITE: {
    summary: "`agentctl init` cannot write a file.",
    remedy: "Check directory, permissions and disk space; then remove what was written, and run it again.",
    exit: exitCode.error,
  },
  ROLLBACK_E_NO_TARGET: {
    summary: "There is no earlier known-good generation to go back to.",
    remedy: "List what there is with `agentctl generations`, and choose one with --to N.",
    exit: exitCode.error,
  },
  ROLLBACK_E_FAILED: {
    summary: "The rollback was accepted and did not come about: its target is not the current generation.",
    remedy: "`agentctl ledger tail` tells why; `agentctl status` tells what runs now.",
    exit: exitCode.error,
  },
  ROLLBACK_E_NOT_PROVEN: {
    summary:
      "The target of the rollback is current, but not every required agent of it became healthy in time.",
    remedy: "Look at `agentctl status`; watchd goes on. A longer --timeout waits longer.",
    exit: exitCode.unhealthy,
  },
  STANDSTILL_E_NOT_YET: {
    summary: "An agent that was to be stopped or started is not yet stopped, or not yet proven healthy.",
    remedy: "Look at `agentctl status`; watchd goes on. A longer --timeout waits longer.",
    exit: exitCode.unhealthy,
  },
  ROUTINE_E_NOT_RUN: {
    summary: "A run that was asked for by hand was refused by the routine's own rules.",
    remedy: "Look at `agentctl routine show NAME`: another run is active or waits, or the queue is full.",
    exit: exitCode.error,
  },
  ROUTINE_E_NO_RUN: {
    summary: "The run that is to be stopped is neither active nor waits.",
    remedy:
      "It is over, or never was: `agentctl routine history NAME` tells; `agentctl routine show NAME` lists what is active.",
    exit: exitCode.error,
  },
  ROUTINE_E_RUN_FAILED: {
    summary: "A run that was waited for did not succeed, or did not end in time.",
    remedy: "Look at `agentctl routine logs NAME` and `agentctl routine history NAME`.",
    exit: exitCode.unhealthy,
  },
  ROUTINE_E_INPUT: {
    summary: "The input of a run cannot be read, or is too large.",
    remedy:
      "An input has at most 700,000 bytes; for more, give the path of a file that the routine can read.",
    exit: exitCode.error,
  },
  ROUTINE_E_NO_LOG: {
    summary: "There is no log of the run that was asked for.",
    remedy: "The newest 20 runs of a routine have one; `agentctl routine show NAME` lists them.",
    exit: exitCode.error,
  },
  INCIDENT_E_UNKNOWN: {
    summary: "The ledger has no entry of the incident.",
    remedy: "List the incidents that there were with `agentctl ledger incident`.",
    exit: exitCode.usage,
  },
  LINEAGE_E_UNKNOWN: {
    summary: "The ledger says nothing about the record, run or generation, or not about that version of it.",
    remedy: "`agentctl ledger query --action 'data.*' --limit 20` shows which records there are.",
    exit: exitCode.usage,
  },
  LINEAGE_E_UNPROVEN: {
    summary: "An entry of the trace is not in the tree that ledgerd has signed.",
    remedy: "Export the ledger and verify it: `agentctl ledger export`, `agentctl ledger verify`.",
    exit: exitCode.verification,
  },
  SCHEDULE_E_INVALID: {
    summary: "A schedule on the command line is no schedule, or its time zone or start is wrong.",
    remedy: "Correct each thing that is listed; docs/concepts/schedules.md tells what can be written.",
    exit: exitCode.usage,
  },
  LOGS_E_JOURNAL: {
    summary: "The journal cannot be read.",
    remedy: "Run this as root, or as a member of the group systemd-journal, on a host with journalctl.",
    exit: exitCode.error,
  },
  LOGS_E_UNKNOWN_AGENT: {
    summary: "There is no agent of that name to have written anything.",
    remedy: "See `agentctl status` for the names.",
    exit: exitCode.unknownUnit,
  },
  STREAM_E_CURSOR: {
    summary: "The cursor of a stream cannot be read or written, or belongs to another ledger.",
    remedy: "Name the right file; to send everything once more, name a new one or remove it.",
    exit: exitCode.error,
  },
  STREAM_E_REFUSED: {
    summary: "The receiver of a stream refuses what it is sent, and would do so again.",
    remedy: "Look at its answer in the message: address, credentials or format are wrong.",
    exit: exitCode.error,
  },
  STREAM_E_UNREACHABLE: {
    summary: "The receiver of a stream could not be reached for as long as it was tried.",
    remedy: "Look whether it runs and can be reached; what was acknowledged is not sent again.",
    exit: exitCode.unreachable,
  },
  EGRESS_E_AGENT: {
    summary: "The fleet has no agent, or no routine, of that name.",
    remedy: "Name one of those in the message, with --agent NAME or --routine NAME.",
    exit: exitCode.unknownUnit,
  },
  EGRESS_E_HOST: {
    summary: "The fleet has no host of that name, or several hosts have the agent and none was chosen.",
    remedy: "Choose one of the hosts in the message with --host NAME.",
    exit: exitCode.usage,
  },
  DEV_E_ALREADY_RUNNING: {
    summary: "Another `agentctl dev` works on the same state directory.",
    remedy: "Use that one, stop it first, or give this one a directory of its own with --state.",
    exit: exitCode.error,
  },
  DEV_E_HOST: {
    summary: "The fleet has no host of that name, or several hosts and none was chosen.",
    remedy: "Choose one of the hosts in the message with --host NAME.",
    exit: exitCode.usage,
  },
  DEV_E_QUARANTINED: {
    summary: "The fleet is, byte for byte, a generation that was rolled back from. It was not deployed.",
    remedy: "Change what was broken; or vouch for it with `agentctl generations allow N`, and save again.",
    exit: exitCode.error,
  },
  DEV_E_DAEMON: {
    summary: "ledgerd, watchd or egressd did not start, or does not stay up.",
    remedy: "Read its log, which the message names.",
    exit: exitCode.error,
  },
  DEV_E_NOT_BUILT: {
    summary: "The programs of ledgerd, watchd and egressd are not where agentctl looks for them.",
    remedy: "Run `make build`.",
    exit: exitCode.error,
  },
  DEV_E_RUNTIME_DIRECTORY: {
    summary: "The directory for sockets cannot be made, belongs to someone else, or is open to others.",
    remedy: "Point XDG_RUNTIME_DIR at a directory of your own with mode 0700, or unset it.",
    exit: exitCode.error,
  },
  DEV_E_STATE_DIRECTORY: {
    summary: "The state directory (`.daruma`) cannot be created or written.",
    remedy: "Check owner, permissions and disk space, or choose another directory with --state.",
    exit: exitCode.error,
  },
  DEV_E_STOP: {
    summary: "Not everything could be stopped.",
    remedy: "Run `agentctl dev` again: it adopts what still runs, and a new Ctrl-C stops it.",
    exit: exitCode.error,
  },
});
