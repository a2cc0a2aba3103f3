import { character } from "@daruma/base/test-support";
import fc from "fast-check";
import t from "tap";
import { storeName } from "./store-name.ts";

t.test("the name is that of the directory, as the fleet file writes it", async (t) => {
  t.equal(storeName("./enricher"), "enricher");
  t.equal(storeName("../agents/enricher-v2/"), "enricher-v2");
  t.equal(storeName("./a/../b"), "b");
  t.equal(storeName("/srv/my agent (new)"), "my-agent-new-");
});

t.test("a directory without a usable name is called source", async (t) => {
  for (const directory of [".", "..", "../..", "/", "./.hidden/..", "é", "...."]) {
    t.equal(storeName(directory), "source", directory);
  }
});

t.test("every name is one that the store allows", async () => {
  fc.assert(
    fc.property(fc.string({ unit: character, minLength: 1 }), (directory) => {
      return /^[A-Za-z0-9+_?=][A-Za-z0-9+._?=-]{0,63}$/.test(storeName(directory));
    }),
  );
});
