import { type ExitCode, exitCode } from "@daruma/base";
import {
  commitmentIn,
  eraseLedgerPayloads,
  faultOfOpening,
  ledgerErrors,
  ledgerPayload,
  readEntries,
} from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { printable } from "../cli/render-error.ts";
import { locateInstance } from "../instance/locate.ts";

export interface PayloadInput {
  readonly args: { readonly SEQ: number };
  readonly options: { readonly state: string | undefined };
}

export interface EraseInput {
  readonly args: { readonly SEQ: number };
  readonly options: {
    readonly reason: string | undefined;
    readonly yes: boolean;
    readonly state: string | undefined;
  };
}

export async function ledgerPayloadOf(context: Context, { args, options }: PayloadInput): Promise<ExitCode> {
  const { SEQ: seq } = args;
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  const found = await ledgerPayload({ socket }, seq);
  if (found === null) throw noPayload(seq);
  const { salt, payload } = found;
  for await (const { entry } of readEntries({ socket, after: seq - 1, limit: 1 })) {
    const fault = faultOfOpening(commitmentIn(entry.details), { salt, payload });
    if (fault !== null) throw ledgerErrors.make("LEDGER_E_UNVERIFIED", `entry ${seq}: ${fault}`);
  }
  await context.output.result({ schemaVersion: 1, seq, salt, payload }, () => [
    printable(JSON.stringify(payload)),
  ]);
  return exitCode.ok;
}

export async function ledgerErase(context: Context, { args, options }: EraseInput): Promise<ExitCode> {
  const { SEQ: seq } = args;
  const { reason } = options;
  if (reason === undefined) throw agentctlErrors.make("CLI_E_USAGE", "--reason is missing");
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  if ((await ledgerPayload({ socket }, seq)) === null) throw noPayload(seq);
  if (!options.yes) await consent(context, seq);
  const done = await eraseLedgerPayloads({ socket }, { seqs: [seq], reason });
  await context.output.result({ schemaVersion: 1, erased: done.erased, seq: done.seq }, () => [
    `erased the payload of entry ${seq}; entry ${done.seq} says so`,
  ]);
  return exitCode.ok;
}

async function consent(context: Context, seq: number): Promise<void> {
  const answer = await context.confirm(`Erase the payload of entry ${seq} for good?`);
  if (answer === true) return;
  if (answer === null) {
    throw agentctlErrors.make("CLI_E_CONFIRM", "erasing needs a yes, and there is no terminal to ask on");
  }
  throw agentctlErrors.make("CLI_E_DECLINED", "nothing was erased");
}

function noPayload(seq: number): Error {
  return ledgerErrors.make("LEDGER_E_NO_PAYLOAD", `entry ${seq} has no payload, or none any more`);
}
