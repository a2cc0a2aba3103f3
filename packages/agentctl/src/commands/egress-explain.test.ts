import t from "tap";
import { documents } from "../test-support/agentctl.ts";
import { createFleet } from "../test-support/fleet.ts";

t.test("explain judges by the fleet file, and compile says where nothing is enforced", async (t) => {
  const fleet = await createFleet(t);
  await fleet.writeConfig({
    agent: 'egress: ["api.example.com:443"],',
    host: 'routines: { nightly: { command: ["/bin/true"], egress: ["db.example.com:5432"] } },',
  });
  const explain = (...argv: string[]) => fleet.run("egress", "explain", ...argv);
  const allowed = await explain("https://API.example.com./v1", "--agent", "web", "--json");
  t.equal(allowed.code, 0, allowed.stderr);
  t.same(documents(allowed.stdout), [
    {
      schemaVersion: 1,
      decision: "allow",
      reason: "allowed",
      rule: { entry: "api.example.com:443", scope: "agent" },
      target: "api.example.com:443",
      message: "api.example.com:443 is allowed by api.example.com:443 (agent)",
      agent: "web",
      routine: null,
      host: "test-01",
      mode: "enforce",
    },
  ]);
  const denied = await explain("http://2130706433/", "--agent", "web");
  t.match(denied, { code: 0, stdout: /^denied: 127\.0\.0\.1:80 leads to .* not public \(loopback\)\n$/ });
  const nightly = await explain("db.example.com:5432", "--routine", "nightly", "--json");
  t.match(documents(nightly.stdout), [{ decision: "allow", agent: null, routine: "nightly" }]);
  const unknown = await explain("a.example:1", "--agent", "nobody", "--json");
  t.match(unknown, { code: 4 });
  t.match(documents(unknown.stdout), [{ error: { code: "EGRESS_E_AGENT", message: /it has web/ } }]);
  t.match(documents((await explain("a.example:1", "--json")).stdout), [{ error: { code: "CLI_E_USAGE" } }]);

  t.same(documents((await fleet.run("compile", "--json")).stdout)[0]?.warnings, []);
  await fleet.writeConfig({
    agent: 'egress: ["api.example.com:443"],',
    host: 'egress: { mode: "observe" },',
  });
  const compiled = await fleet.run("compile", "--json");
  t.match(compiled, {
    code: 0,
    stderr: /^warning: .*test-01.*nothing is enforced: web can reach everything\n$/,
  });
  t.match(documents(compiled.stdout), [{ warnings: [/nothing is enforced/] }]);
});
