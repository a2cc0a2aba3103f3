import type { Field } from "./action-fields.ts";
import { actions, commonDetails } from "./actions.ts";

/** The vocabulary as a page. */
export function actionsReference(): string {
  const sections = Object.entries(actions).map(([name, { means, subject, details }]) =>
    [`## ${name}`, `${means} Subject: ${subject}.`, ...tableOf(details)].join("\n\n"),
  );
  return `${[
    "# Actions of the ledger",
    "Generated from the ledger's vocabulary by `make generate`. It describes what Daruma's own programs write; details may hold more, and an action that is not here is recorded and verified like any other. All durations are in milliseconds.",
    "Fields that any of the details may have:",
    ...tableOf(commonDetails),
    ...sections,
  ].join("\n\n")}\n`;
}

function tableOf(fields: Readonly<Record<string, Field>>): readonly string[] {
  const rows = Object.entries(fields).map(([name, { type, nullable: orNull, optional: mayMiss, means }]) => {
    const notes = [type === "texts" ? "list of texts" : type, ...(orNull ? ["null"] : [])].join(" or ");
    return `| \`${name}\` | ${notes}${mayMiss ? ", optional" : ""} | ${means} |`;
  });
  return rows.length === 0 ? [] : [["| field | type | meaning |", "|---|---|---|", ...rows].join("\n")];
}
