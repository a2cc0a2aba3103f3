import type { Entry } from "@daruma/ledger";
import t from "tap";
import { suggestionsFor } from "./egress-suggest.ts";

const observed = (subject: string, target: string, reason: string, times = 1) =>
  ({ action: "egress.would-deny", subject, details: { target, reason, times } }) as unknown as Entry;

t.test("what was observed becomes the narrowest entries that allow it, the most used first", async (t) => {
  const agents = suggestionsFor([
    observed("bb", "api.example.com:443", "not-allowed"),
    observed("bb", "cdn.example.com:443", "not-allowed", 9),
    observed("bb", "api.example.com:443", "not-allowed", 2),
    observed("bb", "api.example.com:80", "port-not-allowed"),
    observed("aa", "db.internal:5432", "address-not-public"),
    observed("aa", "10.0.0.1:22", "address-not-public"),
    observed("aa", "[2606:4700::1111]:53", "not-allowed"),
    observed("aa", "paste.example:443", "denied"),
    observed("aa", "api.example.com:443", "sni-mismatch"),
    observed("aa", "", "invalid-target"),
    observed("aa", "(others)", "not-allowed", 1000),
  ]);
  t.same(Object.keys(agents), ["aa", "bb"]);
  t.same(agents.bb, [
    { entry: "cdn.example.com:443", times: 9 },
    { entry: "api.example.com:443", times: 3 },
    { entry: "api.example.com:80", times: 1 },
  ]);
  t.same(
    agents.aa?.map(({ entry }) => entry),
    [
      { cidr: "10.0.0.1/32", port: 22 },
      { cidr: "2606:4700::1111/128", port: 53 },
      { host: "db.internal", port: 5432, private: true },
    ],
  );
});
