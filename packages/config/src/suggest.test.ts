import t from "tap";
import { formatPath } from "./paths.ts";
import { suggest } from "./suggest.ts";

const known = ["command", "environment", "health", "restart", "required"];

t.test("the nearest name is suggested for a slip of the hand", async (t) => {
  t.equal(suggest("comand", known), "command");
  t.equal(suggest("enviroment", known), "environment");
  t.equal(suggest("haelth", known), "health");
  t.equal(suggest("Restart", known), "restart");
});

t.test("nothing is suggested for a name that is far from all", async (t) => {
  t.equal(suggest("port", known), undefined);
  t.equal(suggest("", known), undefined);
  t.equal(suggest("x".repeat(100_000), known), undefined);
});

t.test("paths read as they would be typed", async (t) => {
  t.equal(formatPath(["hosts", "etl-01", "command", 1]), "hosts.etl-01.command[1]");
  t.equal(formatPath(["environment", "A B"]), 'environment["A B"]');
  t.equal(formatPath([]), "");
  t.ok(formatPath(["x".repeat(10_000)]).length < 20_000);
});
