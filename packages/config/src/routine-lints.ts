import type { Problem } from "@daruma/base";
import { parseSchedule } from "@daruma/schedule";
import { formatPath, type Path } from "./paths.ts";

/**
 * From when on a schedule has to be due at least once. A fixed time: what compiles today has to compile tomorrow, and the rarest
 * schedule is due again within 40 years.
 */
const from = Date.UTC(2024, 0, 1);

/** What is wrong with a routine's schedule and time zone: they cannot be read, or are never due. */
export function lintRoutineTimes(name: string, routine: unknown, path: Path): Problem[] {
  if (typeof routine !== "object" || routine === null) return [];
  const { schedule, timezone = "UTC" } = routine as { schedule?: unknown; timezone?: unknown };
  if (typeof timezone !== "string") return [];
  const at = (key: string) => formatPath([...path, key]);
  // A time zone is looked at without a schedule, too.
  const expression = typeof schedule === "string" ? schedule : "* * * * *";
  const parsed = parseSchedule(expression, { timezone, name });
  if (!parsed.ok) {
    return parsed.problems.map((each) => {
      if (each.path === "timezone") return { path: at("timezone"), message: each.message };
      const field = each.path === "expression" ? "" : `${each.path}: `;
      return { path: at("schedule"), message: `${field}${each.message}` };
    });
  }
  if (parsed.schedule.next(from) !== null) return [];
  return [{ path: at("schedule"), message: `${JSON.stringify(expression)} is never due` }];
}
