import t from "tap";
import { must, unitsOf, withoutNix } from "./support.ts";

const plain = { command: ["/bin/agent"] as const };
const walled = { ...plain, egress: ["api.example.com:443"] } as const;

t.test(
  "metrics are served where they are wanted, and only there is a unit for it",
  { skip: withoutNix },
  async (t) => {
    const [none, socket, port] = unitsOf([
      { agents: { plain } },
      { agents: { plain }, host: { metrics: {} } },
      { agents: { walled }, host: { metrics: { port: 9464, address: "::1" } } },
    ]);
    if (none === undefined || socket === undefined || port === undefined) throw new Error("there are three");

    t.notOk("daruma-metricsd.service" in none.units);
    t.notOk("daruma-metrics" in none.users);
    // Sockets have their group from the beginning: to turn metrics on changes no other unit.
    const { "daruma-metricsd.service": unit, ...others } = socket.units;
    t.same(others, none.units);
    t.same(socket.tmpfiles, none.tmpfiles);
    t.same(socket.groups, none.groups);
    t.ok("daruma-metrics" in none.groups);

    const service = unit?.Service ?? {};
    t.match(service, { User: "daruma-metrics", RestrictAddressFamilies: "AF_UNIX", IPAddressDeny: "any" });
    t.notMatch(service.ExecStart, /--port|--egressd/);
    const open = must(port.units, "daruma-metricsd.service").Service ?? {};
    t.match(open.ExecStart, /"--egressd" "\/run\/daruma\/status\/egressd\/status\.sock"/);
    t.match(open.ExecStart, /"--port" "9464" "--address" "::1"$/);
    t.same(open.RestrictAddressFamilies, ["AF_INET", "AF_INET6", "AF_UNIX"]);
  },
);

t.test(
  "every daemon has a socket for its status, in a directory that metricsd may enter",
  { skip: withoutNix },
  async (t) => {
    const [units] = unitsOf([{ agents: { walled }, host: { metrics: {} } }]);
    if (units === undefined) throw new Error("there is one");
    const asked = must(units.units, "daruma-metricsd.service").Service?.ExecStart ?? "";
    for (const [daemon, user] of [
      ["watchd", "root"],
      ["ledgerd", "daruma-ledger"],
      ["egressd", "daruma-egress"],
    ] as const) {
      const directory = `/run/daruma/status/${daemon}`;
      t.ok(units.tmpfiles.includes(`d ${directory} 2750 ${user} daruma-metrics -`), daemon);
      const { ExecStart, ReadWritePaths } = must(units.units, `daruma-${daemon}.service`).Service ?? {};
      t.match(ExecStart, `"--status-socket" "${directory}/status.sock"`);
      t.match(asked, `"--${daemon}" "${directory}/status.sock"`);
      if (daemon !== "watchd")
        t.ok([ReadWritePaths].flat().includes(`-${directory}`), `${daemon} may write there`);
    }
  },
);
