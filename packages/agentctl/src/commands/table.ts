import type { Command } from "../cli/command.ts";
import { alertListCommand, alertTestCommand } from "./alert-commands.ts";
import { checkCommand } from "./check-command.ts";
import { checkHostCommand } from "./check-host-command.ts";
import { compileCommand } from "./compile-command.ts";
import { devCommand } from "./dev-command.ts";
import { diffCommand } from "./diff-command.ts";
import { driftCommand } from "./drift-command.ts";
import {
  egressExplainCommand,
  egressLogCommand,
  egressStatusCommand,
  egressSuggestCommand,
} from "./egress-commands.ts";
import { initCommand } from "./init-command.ts";
import {
  explainRollbackCommand,
  generationsAllowCommand,
  generationsCommand,
  rollbackCommand,
  startCommand,
  statusCommand,
  stopCommand,
} from "./instance-commands.ts";
import {
  ledgerExportCommand,
  ledgerKeyCommand,
  ledgerTailCommand,
  ledgerVerifyCommand,
} from "./ledger-commands.ts";
import { ledgerEraseCommand, ledgerPayloadCommand } from "./ledger-payload-commands.ts";
import { ledgerPruneCommand } from "./ledger-prune-command.ts";
import {
  ledgerIncidentCommand,
  ledgerQueryCommand,
  ledgerReindexCommand,
  ledgerTraceCommand,
} from "./ledger-query-commands.ts";
import { ledgerStreamCommand } from "./ledger-stream-command.ts";
import { logsCommand, logsExportCommand } from "./logs-commands.ts";
import { metricsCommand } from "./metrics-command.ts";
import {
  routineHistoryCommand,
  routineListCommand,
  routineLogsCommand,
  routineNextCommand,
  routinePauseCommand,
  routineResumeCommand,
  routineRunCommand,
  routineShowCommand,
  routineStopCommand,
} from "./routine-commands.ts";
import { schemaCommand } from "./schema-command.ts";

/** Every command of agentctl, in the order in which help shows them. */
export const commandTable: readonly Command[] = [
  initCommand,
  devCommand,
  compileCommand,
  checkCommand,
  checkHostCommand,
  diffCommand,
  schemaCommand,
  statusCommand,
  stopCommand,
  startCommand,
  generationsCommand,
  generationsAllowCommand,
  rollbackCommand,
  explainRollbackCommand,
  logsCommand,
  logsExportCommand,
  metricsCommand,
  driftCommand,
  routineListCommand,
  routineShowCommand,
  routineNextCommand,
  routineRunCommand,
  routineStopCommand,
  routinePauseCommand,
  routineResumeCommand,
  routineHistoryCommand,
  routineLogsCommand,
  alertListCommand,
  alertTestCommand,
  egressExplainCommand,
  egressStatusCommand,
  egressLogCommand,
  egressSuggestCommand,
  ledgerTailCommand,
  ledgerQueryCommand,
  ledgerIncidentCommand,
  ledgerTraceCommand,
  ledgerExportCommand,
  ledgerStreamCommand,
  ledgerVerifyCommand,
  ledgerKeyCommand,
  ledgerReindexCommand,
  ledgerPruneCommand,
  ledgerPayloadCommand,
  ledgerEraseCommand,
];
