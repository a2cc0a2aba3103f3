import { defineErrors, exitCode } from "@daruma/base";

export const watchdErrors = defineErrors({
  AGENT_E_COMMAND_NOT_FOUND: {
    summary:
      "The program of an agent's command, or the interpreter that its first line names, does not exist.",
    remedy: "Check the first part of `command` in the fleet file, deploy, and the agent starts again.",
    exit: exitCode.error,
  },
  AGENT_E_NOT_EXECUTABLE: {
    summary: "The program of an agent's command exists but may not be executed.",
    remedy: "Make the file executable (`chmod +x`), or name its interpreter as the first part of `command`.",
    exit: exitCode.error,
  },
  AGENT_E_WORKING_DIRECTORY: {
    summary: "An agent's working directory is missing, is not a directory, or may not be entered.",
    remedy: "Create the directory, or correct `workingDirectory` in the fleet file.",
    exit: exitCode.error,
  },
  AGENT_E_CREDENTIAL: {
    summary: "A credential file of an agent is missing, unreadable, too large, or not a regular file.",
    remedy: "Put the secret at the path named in the message, readable for the user that runs watchd.",
    exit: exitCode.error,
  },
  AGENT_E_PORT_IN_USE: {
    summary: "Another process already accepts connections on the port of an agent's health check.",
    remedy:
      "Stop the other process, or give the agent another port; otherwise its health would be a stranger's.",
    exit: exitCode.error,
  },
  AGENT_E_START_FAILED: {
    summary: "An agent's process could not be started for another reason, which the message names.",
    remedy: "Look at the reason in the message (resource limits, disk space, permissions) and clear it.",
    exit: exitCode.error,
  },
  AGENT_E_BAD_RECORD: {
    summary: "What an agent says through its socket is not a record as the ledger takes them.",
    remedy: "Correct the agent as the message says; docs/concepts/agent-socket.md has what a record is.",
    exit: exitCode.usage,
  },
  AGENT_E_BAD_REQUEST: {
    summary: "What an agent says of its work through its socket is not a number as it has to be.",
    remedy: "Correct the agent as the message says; docs/concepts/agent-socket.md has each request.",
    exit: exitCode.usage,
  },
  AGENT_E_BAD_RESULT: {
    summary: "A run has told a result that is none.",
    remedy: "Send {extracted, transformed, loaded, errors}: one or more of them, whole numbers from 0 on.",
    exit: exitCode.usage,
  },
  AGENT_E_TOO_FAST: {
    summary: "An agent appends more to the ledger than one agent may.",
    remedy:
      "Wait as long as Retry-After says and send it again; say what a file or a batch was, not every row.",
    exit: exitCode.error,
  },
  AGENT_E_TOO_SOON: {
    summary: "An agent asks for its own restart too soon after it has started.",
    remedy:
      "Wait as long as Retry-After says; one that cannot get on at all exits instead, with a code that says why.",
    exit: exitCode.error,
  },
  AGENT_E_TOO_OFTEN: {
    summary: "An agent asks for its own restart more often than its restart policy allows failures.",
    remedy:
      "Go on without it, or exit with a code that says why that cannot be: what wants to begin anew again and again has something wrong with it.",
    exit: exitCode.error,
  },
  AGENT_E_NO_RUN: {
    summary: "watchd does not know yet (it has just started) or no more which run of the agent is alive.",
    remedy: "Wait as long as Retry-After says and send it again.",
    exit: exitCode.error,
  },
  AGENT_E_LEDGER_AWAY: {
    summary: "The ledger has not acknowledged what an agent said; it may hold it all the same.",
    remedy: "Wait as long as Retry-After says and send it again; to say a thing twice does no harm.",
    exit: exitCode.error,
  },
  WATCHD_E_NO_ANSWER: {
    summary: "systemd has not answered watchd in time.",
    remedy:
      "Look at what keeps the host busy (processors, memory, disks); watchd goes on asking, and needs no restart.",
    exit: exitCode.unreachable,
  },
  WATCHD_E_DRIFT_BUSY: {
    summary: "The machine cannot be compared with its generation now.",
    remedy: "Wait for the switch or the rollback that is under way (`agentctl status`), and ask again.",
    exit: exitCode.unreachable,
  },
  GENERATION_E_NOT_FOUND: {
    summary: "There is no generation with that number or store path.",
    remedy: "List the generations there are with `agentctl generations`.",
    exit: exitCode.error,
  },
  GENERATION_E_CORRUPT: {
    summary: "The files of a generation are not what their hashes say.",
    remedy: "Deploy again; look for a failing disk or a program that writes into the store.",
    exit: exitCode.verification,
  },
  GENERATION_E_SOURCE: {
    summary:
      "A `source()` directory cannot be copied: missing, unreadable, changing, or with special files in it.",
    remedy: "Correct the directory named in the message, then deploy again.",
    exit: exitCode.error,
  },
  GENERATION_E_PROGRAM_NOT_FOUND: {
    summary: "Under `agentctl dev`, the program of a `nixpkg()` is not on PATH.",
    remedy: "Install the program named in the message, or add its directory to PATH.",
    exit: exitCode.error,
  },
  GENERATION_E_WRITE: {
    summary: "A generation could not be written or made current.",
    remedy: "Check disk space and permissions of the directory named in the message, then deploy again.",
    exit: exitCode.error,
  },
  GENERATION_E_QUARANTINED: {
    summary: "The generation was rolled back from, and nobody has vouched for it since.",
    remedy: "Deploy a corrected one, or run `agentctl generations allow N` if the fault was elsewhere.",
    exit: exitCode.error,
  },
  WATCHD_E_USAGE: {
    summary: "watchd was started with options that it does not understand.",
    remedy: "Start it through `agentctl dev` or its unit, which know its options.",
    exit: exitCode.usage,
  },
  WATCHD_E_BAD_REQUEST: {
    summary: "A request to watchd lacks something, or has something of the wrong type.",
    remedy: "Correct the request as the message says.",
    exit: exitCode.usage,
  },
  WATCHD_E_LEDGER_UNAVAILABLE: {
    summary: "A person's command was refused because its intent could not be recorded in the ledger.",
    remedy:
      "Look at ledgerd (disk full, stopped, damaged ledger) and try again; automatic recovery goes on meanwhile.",
    exit: exitCode.error,
  },
  WATCHD_E_ROLLBACK_REFUSED: {
    summary: "The rollback that was asked for cannot be begun now.",
    remedy: "Look at `agentctl status` and `agentctl generations`.",
    exit: exitCode.error,
  },
  WATCHD_E_OUTDATED: {
    summary: "A start was overtaken by a switch to another generation (seen in ledger entries only).",
    remedy: "Nothing: the agent is started as the new generation declares it.",
    exit: exitCode.error,
  },
  WATCHD_E_START: {
    summary:
      "An agent was not started for a reason that is not its own: systemd did not answer, or dropped the job.",
    remedy:
      "Nothing: it is tried again. If it stays so, look at `systemctl status` and `systemctl list-jobs`.",
    exit: exitCode.error,
  },
  WATCHD_E_UNKNOWN_AGENT: {
    summary: "The current generation has no agent of that name.",
    remedy: "List the agents there are with `agentctl status`.",
    exit: exitCode.unknownUnit,
  },
  WATCHD_E_UNKNOWN_ROUTINE: {
    summary: "The current generation has no routine of that name.",
    remedy: "List the routines there are with `agentctl routine list`.",
    exit: exitCode.unknownUnit,
  },
  WATCHD_E_UNKNOWN_SINK: {
    summary: "The current generation has no sink of that name, or none at all, that could be told.",
    remedy: "List the sinks there are with `agentctl alert list`.",
    exit: exitCode.unknownUnit,
  },
  WATCHD_E_STOPPED_BY_PERSON: {
    summary: "An agent is not started, because a person has stopped it (seen in ledger entries only).",
    remedy: "Run `agentctl start NAME` when it is to run again.",
    exit: exitCode.error,
  },
  WATCHD_E_ALREADY_RUNNING: {
    summary: "Another watchd already works on this state directory.",
    remedy: "Use the one that runs, or stop it first.",
    exit: exitCode.error,
  },
  WATCHD_E_JOURNAL_DAMAGED: {
    summary: "The journal of watchd is damaged beyond its torn tail, so that its last state cannot be told.",
    remedy:
      "Look for a failing disk; set the journal aside only on purpose, since counters and intents are in it.",
    exit: exitCode.verification,
  },
  WATCHD_E_JOURNAL_FULL: {
    summary: "The journal of watchd has no room left and could not grow.",
    remedy: "Make room on the disk that holds the state directory.",
    exit: exitCode.error,
  },
  WATCHD_E_JOURNAL_UNUSABLE: {
    summary: "The journal of watchd could not be opened (permissions, a read-only or full disk).",
    remedy: "Check the directory named in the message: it must be writable, with some MiB free.",
    exit: exitCode.error,
  },
  WATCHD_E_JOURNAL_VERSION: {
    summary: "The journal of watchd was written by a release with another format.",
    remedy: "Use the release that wrote it.",
    exit: exitCode.error,
  },
  WATCHD_E_JOURNAL_WRITE: {
    summary: "The disk refused a write to the journal of watchd.",
    remedy: "Look for a failing or read-only disk; what was acknowledged before is safe.",
    exit: exitCode.error,
  },
  WATCHD_E_STATE_DIRECTORY: {
    summary: "A directory in which watchd keeps its state cannot be created, read or written.",
    remedy: "Check owner, permissions and disk space of the directory named in the message.",
    exit: exitCode.error,
  },
  WATCHD_E_AGENT_SOCKET: {
    summary: "An agent has no socket, because its directory or the socket itself is not as it has to be.",
    remedy:
      "Make the directory again (`systemd-tmpfiles --create` on a host); watchd tries it again by itself.",
    exit: exitCode.error,
  },
  WATCHD_E_PLATFORM: {
    summary: "The system does not offer what watchd needs: Linux with /proc mounted.",
    remedy: "Run it on Linux; in a container, mount /proc.",
    exit: exitCode.error,
  },
});
