import { decodeFleet } from "@daruma/config";
import t from "tap";
import { gapProblem } from "./gaps.ts";

/** In 2026 the clocks go forward on 29 March in Berlin, on 8 March in New York, on 4 October on Lord Howe (by 30 minutes). */
const now = Date.parse("2026-01-15T12:00Z");

function problem(schedule: string, timezone = "Europe/Berlin", at = now): string | undefined {
  const routine = { command: ["/bin/true"], schedule, timezone };
  const decoded = decodeFleet({
    hosts: { web: { system: "x86_64-linux", agents: {}, routines: { rr: routine } } },
  });
  const spec = decoded.ok ? decoded.fleet.hosts.web?.routines.rr : undefined;
  if (spec === undefined) throw new Error(`${schedule} is not valid`);
  return gapProblem("rr", spec, at);
}

t.test("a time of day that a zone leaves out is found, with what it becomes", async (t) => {
  t.match(problem("30 2 * * *"), /^on 2026-03-29 Europe\/Berlin leaves out 02:30: that run is at 03:30/);
  t.match(problem("0 2 * * *"), /^on 2026-03-29 .* 02:00: .* 03:00/, "the first reading that is not there");
  t.match(problem("30 2 * * 0", "America/New_York"), /^on 2026-03-08 /);
  t.match(problem("15 2 * * *", "Australia/Lord_Howe"), /^on 2026-10-04 .* 02:15: .* 02:45/);
  t.match(problem("*/10 2 * * *"), /02:00/, "all times of an hour that is not there");
  t.match(problem("0 4 * * *\n30 2 * * *"), /02:30/, "of any of its lines");
  t.match(problem("30 2 * * *", "Europe/Berlin", Date.parse("2026-06-01")), /^on 2027-03-28 /);
});

t.test("what no gap concerns is not found", async (t) => {
  for (const schedule of ["0 3 * * *", "59 1 * * *", "30 2 * * 1", "30 2 28 3 *", "@every 15m", "@daily"]) {
    t.equal(problem(schedule), undefined, schedule);
  }
  for (const schedule of ["*/15 * * * *", "0 * * * *", "30 1-4 * * *"]) {
    t.equal(problem(schedule), undefined, `${schedule} goes on as before`);
  }
  t.equal(problem("30 2 * * *", "UTC"), undefined);
  t.equal(problem("30 2 * * *", "Asia/Tokyo"), undefined);
  t.equal(problem("45 2 * * *", "Australia/Lord_Howe"), undefined);
});
