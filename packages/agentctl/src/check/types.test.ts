import { join } from "node:path";
import t from "tap";
import { parseCompilerOutput } from "./types.ts";

t.test("what tsc says becomes problems with their places", async (t) => {
  const directory = t.testdir({ "fleet.config.ts": "const a = 1;\nconst bad: number = '';\n" });
  const output = [
    "fleet.config.ts(2,7): error TS2322: Type 'string' is not assignable to type 'number'.",
    "  Because of this.",
    "lib/gone.ts(3,1): error TS1005: ';' expected.",
    "error TS5023: Unknown compiler option 'x'.",
    "",
  ].join("\n");
  t.match(parseCompilerOutput(output, directory, directory), [
    {
      path: "fleet.config.ts",
      code: "TS2322",
      message: "Type 'string' is not assignable to type 'number'.\nBecause of this.",
      place: {
        file: "fleet.config.ts",
        line: 2,
        column: 7,
        endLine: 2,
        endColumn: 10,
        excerpt: { firstLine: 1 },
      },
    },
    { code: "TS1005", place: { file: join("lib", "gone.ts"), line: 3, column: 1 } },
    { code: "TS5023", path: "tsconfig.json", place: undefined },
  ]);
});
