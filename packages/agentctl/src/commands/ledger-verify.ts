import { resolve } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import type { Trust, Verification } from "@daruma/ledger";
import type { Context } from "../cli/command.ts";

export interface VerifyInput {
  readonly args: { readonly PATH: string };
  readonly options: { readonly key: string | undefined; readonly witness: string | undefined };
}

export async function ledgerVerify(context: Context, { args, options }: VerifyInput): Promise<ExitCode> {
  const { ledgerErrors, readVerifier, readWitnessFile, verifyPath } = await import("@daruma/ledger");
  const { cwd, output } = context;
  const path = resolve(cwd, args.PATH);
  const trust: Trust = {
    key: options.key === undefined ? null : await readVerifier(resolve(cwd, options.key)),
    witness: options.witness === undefined ? null : await readWitnessFile(resolve(cwd, options.witness)),
  };
  const verification = await verifyPath(path, trust);
  const document = { schemaVersion: 1, path, ...verification } as const;
  if (verification.firstBad === null) {
    await output.result(document, () => describeGood(verification, trust));
    return exitCode.ok;
  }
  const error = ledgerErrors.make("LEDGER_E_UNVERIFIED", describeBad(verification.firstBad), { where: path });
  if (!output.json) throw error;
  // A program wants to know both: that it failed, and all that was found.
  await output.result({ ...document, ...error.toDocument() }, () => []);
  return error.exit;
}

function describeGood(verification: Verification, trust: Trust): string[] {
  const { entries, firstSeq, lastSeq, headHash, host, clockSteps } = verification;
  return [
    `verified: ${entries} entries of ${host ?? "no host"}, ${firstSeq ?? "-"} to ${lastSeq ?? "-"}`,
    `head: ${headHash ?? "-"}`,
    `trust: ${describeTrust(verification, trust)}`,
    ...describeExtent(verification),
    ...describePayloads(verification),
    ...(clockSteps === 0
      ? []
      : [`the host's clock was turned back ${clockSteps === 1 ? "once" : `${clockSteps} times`}`]),
  ];
}

function describeTrust(verification: Verification, { key }: Trust): string {
  const { trustLevel, treeSize, signed, witnessed, unwitnessed, witnesses } = verification;
  switch (trustLevel) {
    case "chain":
      return "chain only: whoever owns the disk could have made it; verify with --key and --witness";
    case "signed":
      return `signed by ${key?.name} up to entry ${signed} of ${treeSize}; no witness has seen it`;
    case "witnessed": {
      const names = witnesses.filter(({ size }) => size === witnessed).map(({ name }) => name);
      const rest = unwitnessed === 0 ? "" : `; the last ${unwitnessed} would not be missed outside the host`;
      return `witnessed up to entry ${witnessed} of ${treeSize} (${names.join(", ")})${rest}`;
    }
  }
}

function describeExtent({ extent, selection, treeSize, pruned }: Verification): string[] {
  if (extent === "complete") return [];
  if (pruned > 0) {
    return [`entries 1 to ${pruned} were pruned, as the ledger says: of those only the hashes are left`];
  }
  const asked = Object.entries(selection ?? {}).map(([name, value]) => `${name} ${value}`);
  const what = `of a ledger of ${treeSize} entries${asked.length === 0 ? "" : `, asked for ${asked.join(", ")}`}`;
  if (extent === "selection") return [`this is a selection ${what}: what it does not hold may exist`];
  return [`this is a range ${what}: between its first and its last entry nothing is left out`];
}

function describePayloads({ payloads, erased }: Verification): string[] {
  const are = payloads === 1 ? "payload is what its entry commits" : "payloads are what their entries commit";
  const there = payloads === 0 ? [] : [`${payloads} ${are} to`];
  if (erased.length === 0) return there;
  const shown = `${erased.slice(0, 20).join(", ")}${erased.length > 20 ? ", …" : ""}`;
  return [...there, `erased, as the ledger says: the payload${erased.length === 1 ? "" : "s"} of ${shown}`];
}

function describeBad(bad: NonNullable<Verification["firstBad"]>): string {
  const which = bad.seq === null ? `line ${bad.line}` : `entry ${bad.seq} (line ${bad.line})`;
  return `${which} is bad: ${bad.message}`;
}
