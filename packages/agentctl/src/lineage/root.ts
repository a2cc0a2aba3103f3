import { faultOfRecord, parseRecordSubject } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Root } from "./trace.ts";

/**
 * What a trace is to begin with: `TYPE:ID`, `run:ID` or `generation:N`.
 *
 * @throws CLI_E_USAGE
 */
export function parseRoot(text: string, version: string | undefined): Root {
  const root = rootOf(text, version);
  if (root.kind === "record" || version === undefined) return root;
  throw agentctlErrors.make("CLI_E_USAGE", `--record-version is for a record, not for a ${root.kind}`);
}

function rootOf(text: string, version: string | undefined): Root {
  const at = text.indexOf(":");
  const [type, id] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if (type === "run" && id !== "") return { kind: "run", run: id };
  if (type === "generation" && /^\d{1,15}$/.test(id)) return { kind: "generation", number: Number(id) };
  if (parseRecordSubject(text) !== null) return { kind: "record", subject: text, version };
  const why = faultOfRecord({ type, id });
  throw agentctlErrors.make(
    "CLI_E_USAGE",
    `RECORD must be TYPE:ID, run:ID or generation:N, not ${text}${why === null ? "" : ` (${why})`}`,
  );
}

/** As it was asked for. */
export function nameOfRoot(root: Root): string {
  switch (root.kind) {
    case "run":
      return `run:${root.run}`;
    case "generation":
      return `generation:${root.number}`;
    case "record":
      return root.version === undefined ? root.subject : `${root.subject} in version ${root.version}`;
  }
}
