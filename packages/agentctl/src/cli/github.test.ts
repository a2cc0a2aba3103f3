import { DarumaError } from "@daruma/base";
import t from "tap";
import { githubAnnotations } from "./github.ts";

const entry = { summary: "", remedy: "", exit: 1 } as const;

t.test("each problem is an annotation at its place, whatever it quotes", async (t) => {
  const place = { file: "a,b:c.ts", line: 3, column: 5, endLine: 3, endColumn: 9, note: "nearly" };
  const error = new DarumaError("TEST_E_BAD", entry, "bad", {
    problems: [
      { path: "hosts.a", message: "100% wrong\nindeed", code: "TEST_E_VALUE", place },
      { path: "hosts.b", message: "is long", place: { ...place, endLine: 5, file: "d.ts" } },
      { path: "hosts.c", message: "is lost" },
    ],
  });
  t.same(githubAnnotations(error), [
    "::error file=a%2Cb%3Ac.ts,line=3,col=5,endLine=3,endColumn=9,title=TEST_E_VALUE::hosts.a: 100%25 wrong%0Aindeed (nearly)",
    "::error file=d.ts,line=3,col=5,endLine=5,title=TEST_E_BAD::hosts.b: is long (nearly)",
    "::error title=TEST_E_BAD::hosts.c: is lost",
  ]);
});

t.test("an error without problems is one annotation", async (t) => {
  t.same(githubAnnotations(new DarumaError("TEST_E_BAD", entry, "a\r\nb")), [
    "::error title=TEST_E_BAD::a%0D%0Ab",
  ]);
});
