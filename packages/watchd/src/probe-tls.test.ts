import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { authority, type Certificate, trust } from "@daruma/base/test-support";
import t, { type Test } from "tap";
import { createProber } from "./probe.ts";

/* Health checks over https, by certificates of an authority of our own. */

const ours = authority("Ours");
const theirs = authority("Theirs");
const name = "localhost";

/** What a check finds of an agent with this certificate. */
async function probed(t: Test, { key: privateKey, certificate }: Certificate) {
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  const server = createServer({ key, cert: certificate }, (_, answer) => {
    answer.end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const url = `https://${name}:${port}/health`;
  return createProber().probe({ url, withinMs: 5_000, status: 200 });
}

t.test("an agent whose certificate is of an authority that is trusted is asked over https", async (t) => {
  t.teardown(trust(ours));
  t.match(await probed(t, ours.issue(name)), { ok: true });
});

const wrong: readonly (readonly [what: string, Certificate, reason: RegExp])[] = [
  ["another name", ours.issue("other.example.com"), /does not match certificate's altnames/],
  [
    "an authority that nobody trusts",
    theirs.issue(name),
    /security\.pki\.certificateFiles.*NODE_EXTRA_CA_CERTS/,
  ],
  ["a certificate that it made itself", theirs, /security\.pki\.certificateFiles.*NODE_EXTRA_CA_CERTS/],
  ["an expired certificate", ours.issue(name, -60_000), /has expired/],
];

for (const [what, certificate, reason] of wrong) {
  t.test(`an agent with ${what} is not healthy, and the reason says what to do`, async (t) => {
    t.teardown(trust(ours));
    t.match(await probed(t, certificate), { ok: false, reason });
  });
}
