import type { Command } from "../cli/command.ts";
import { compileCommand } from "./compile-command.ts";
import { devCommand } from "./dev-command.ts";
import { egressExplainCommand, egressLogCommand, egressSuggestCommand } from "./egress-commands.ts";
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
import { ledgerPruneCommand } from "./ledger-prune-command.ts";
import {
  ledgerIncidentCommand,
  ledgerQueryCommand,
  ledgerReindexCommand,
  ledgerTraceCommand,
} from "./ledger-query-commands.ts";
import { ledgerStreamCommand } from "./ledger-stream-command.ts";
import { routineNextCommand } from "./routine-commands.ts";

/** Every command of agentctl, in the order in which help shows them. */
export const commandTable: readonly Command[] = [
  devCommand,
  compileCommand,
  statusCommand,
  stopCommand,
  startCommand,
  generationsCommand,
  generationsAllowCommand,
  rollbackCommand,
  explainRollbackCommand,
  routineNextCommand,
  egressExplainCommand,
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
];
