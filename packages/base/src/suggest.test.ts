import t from "tap";
import { suggest } from "./suggest.ts";

t.test("a word with one letter changed, missing, added or swapped is recognised", async (t) => {
  for (const typo of ["statos", "staus", "statuss", "sattus", "STATUS"]) {
    t.equal(suggest(typo, ["compile", "status", "rollback"]), "status", typo);
  }
});

t.test("of two candidates the nearer one is suggested", async (t) => {
  t.equal(suggest("exprt", ["expect", "export"]), "export");
});

t.test("a word that is like nothing known gets no suggestion", async (t) => {
  t.equal(suggest("frobnicate", ["compile", "status"]), undefined);
  t.equal(suggest("x".repeat(10_000), ["x"]), undefined);
});
