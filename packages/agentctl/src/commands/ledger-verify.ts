import { resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import type { Verification } from "@daruma/ledger";
import type { Context } from "../cli/command.ts";

export interface VerifyInput {
  readonly args: { readonly PATH: string };
}

export async function ledgerVerify(context: Context, { args }: VerifyInput): Promise<ExitCode> {
  const { ledgerErrors, verifyPath } = await import("@daruma/ledger");
  const path = resolve(context.cwd, args.PATH);
  const verification = await verifyPath(path);
  const document = { schemaVersion: 1, path, ...verification } as const;
  if (verification.firstBad === null) {
    await context.output.result(document, () => describeGood(verification));
    return exitCode.ok;
  }
  const error = ledgerErrors.make("LEDGER_E_UNVERIFIED", describeBad(verification.firstBad), { where: path });
  if (!context.output.json) throw error;
  // A program wants to know both: that it failed, and all that was found.
  await context.output.result({ ...document, ...error.toDocument() }, () => []);
  return error.exit;
}

function describeGood({ entries, firstSeq, lastSeq, headHash, host, complete }: Verification): string[] {
  return [
    `verified: ${entries} entries of ${host ?? "no host"}, ${firstSeq ?? "-"} to ${lastSeq ?? "-"}`,
    `head: ${headHash ?? "-"}`,
    ...(complete ? [] : ["this is a selection: what came before it is not shown to be intact"]),
  ];
}

function describeBad(bad: NonNullable<Verification["firstBad"]>): string {
  const which = bad.seq === null ? `line ${bad.line}` : `entry ${bad.seq} (line ${bad.line})`;
  return `${which} is bad: ${bad.message}`;
}
