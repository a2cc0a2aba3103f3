import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import t from "tap";
import { samplesOf } from "./collect.ts";
import { dashboard, dashboardQueries } from "./dashboard.ts";
import { expose } from "./exposition.ts";
import { answers, hostUsage } from "./fixtures/answers.ts";
import { type Metric, metricTable } from "./table.ts";

const directory = join(import.meta.dirname, "../../../templates/monitoring");
const rules = readFileSync(join(directory, "alerts.yaml"), "utf8");
const table: Readonly<Record<string, Metric>> = metricTable;

/** Metrics in PromQL, as the table calls them, with what they are asked by; labels that Prometheus adds are its own. */
function metricsIn(query: string): readonly (readonly [name: string, labels: readonly string[]])[] {
  return [...query.matchAll(/\b(daruma_[a-z_]+)(?:\{([^}]*)\})?/g)].map(([, name = "", matchers = ""]) => {
    const bare = name.replace(/_(bucket|sum|count)$/, "");
    const labels = [...matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label);
    return [table[bare]?.type === "histogram" ? bare : name, labels];
  });
}

t.test("rules and dashboard ask only for what is exported, by labels that it has", async (t) => {
  const expressions = [...rules.matchAll(/^\s*expr: (.+)$/gm)].map(([, expression = ""]) => expression);
  t.ok(expressions.length >= 15);
  const asked = [...expressions, ...dashboardQueries(), JSON.stringify(dashboard()).replaceAll('\\"', '"')];
  for (const query of asked) {
    const metrics = metricsIn(query);
    t.ok(metrics.length > 0, query.slice(0, 80));
    for (const [name, labels] of metrics) {
      t.ok(Object.hasOwn(table, name), `${name} is exported`);
      const odd = labels.filter(
        (label) => label !== "instance" && table[name]?.labels.includes(label) !== true,
      );
      t.same(odd, [], `${name} has the labels that it is asked by`);
    }
  }
});

t.test("what the texts of an alert name is left by its expression", async (t) => {
  const alerts = rules.split(/^\s*- alert: /m).slice(1);
  for (const alert of alerts) {
    const expression = /expr: (.+)/.exec(alert)?.[1] ?? "";
    const has = new Set([
      "instance",
      ...metricsIn(expression).flatMap(([name]) => table[name]?.labels ?? []),
    ]);
    const named = [...alert.matchAll(/\$labels\.([a-z]+)/g)].map(([, label = ""]) => label);
    t.same(
      named.filter((label) => !has.has(label)),
      [],
      alert.slice(0, 40),
    );
  }
});

const promtool = (process.env.PATH ?? "")
  .split(delimiter)
  .map((path) => join(path, "promtool"))
  .find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

t.test(
  "promtool finds nothing wrong",
  { skip: promtool === undefined && "promtool is not installed" },
  async (t) => {
    const scratch = mkdtempSync(join(tmpdir(), "daruma-rules-"));
    t.teardown(() => rmSync(scratch, { recursive: true }));
    const run = (args: readonly string[], input = "") =>
      execFileSync(promtool ?? "", args, { cwd: directory, input, encoding: "utf8", stdio: "pipe" });
    run(["check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml"]);
    run(["test", "rules", "alerts.test.yaml"]);
    const usage = ({ name }: { readonly name: string }) => ({
      agent: name,
      memoryBytes: 1,
      cpuSeconds: 1,
      openFiles: 1,
    });
    run(["check", "metrics"], await expose(samplesOf(answers(), hostUsage, usage)));
    const groups = dashboardQueries().map((query, index) => ({
      record: `query:${index}`,
      // What Grafana fills in.
      expr: query.replaceAll("$__rate_interval", "5m"),
    }));
    writeFileSync(
      join(scratch, "dashboard.yaml"),
      JSON.stringify({ groups: [{ name: "dashboard", rules: groups }] }),
    );
    run(["check", "rules", join(scratch, "dashboard.yaml")]);
  },
);
