import t from "tap";
import { formatTable } from "./table.ts";

t.test("columns line up, and every row has the same number of fields", async (t) => {
  const lines = formatTable(
    ["NAME", "PID", "NOTE"],
    [
      ["enricher", "12", ""],
      ["x", "", "waits for s3"],
    ],
  );
  t.same(lines, ["NAME      PID  NOTE", "enricher  12   -", "x         -    waits for s3"]);
});

t.test("a table without rows is its header", async (t) => {
  t.same(formatTable(["A", "B"], []), ["A  B"]);
});
