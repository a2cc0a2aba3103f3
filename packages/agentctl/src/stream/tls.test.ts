import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { authority, type Certificate, trust } from "@daruma/base/test-support";
import t, { type Test } from "tap";
import { storedEntries } from "./fixtures/entries.ts";
import { printFrames } from "./format.ts";
import { lastOf, Passing, type Position } from "./sink.ts";
import { openSocketSink } from "./socket-sink.ts";

const ours = authority("Ours");
const theirs = authority("Theirs");

async function receiver(t: Test, { key, certificate }: Certificate) {
  const received = { text: "", names: [] as (string | false | null)[] };
  const server = createServer(
    { key: key.export({ type: "pkcs8", format: "pem" }), cert: certificate },
    (socket: TLSSocket) => {
      received.names.push(socket.servername ?? null);
      socket.on("error", () => undefined);
      socket.on("data", (chunk) => {
        received.text += chunk.toString("utf8");
      });
    },
  );
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  return { received, port: (server.address() as AddressInfo).port };
}

const signal = new AbortController().signal;

function open(host: string, port: number, onAcknowledged: (position: Position) => Promise<void>) {
  return openSocketSink({ kind: "socket", tls: true, host, port }, printFrames.syslog, {
    onAcknowledged,
    lastOf,
    signal,
  });
}

const never = async () => {
  throw new Error("nothing is acknowledged");
};

t.test("over TLS a receiver whose name and authority are right gets every entry", async (t) => {
  t.teardown(trust(ours));
  const { received, port } = await receiver(t, ours.issue("localhost"));
  const acknowledged: number[] = [];
  const sink = await open("localhost", port, async ({ seq }) => void acknowledged.push(seq));
  t.teardown(() => sink.close());
  const entries = storedEntries(1, 3);
  await sink.send(entries);
  await sink.finish();
  t.same(acknowledged, [3]);
  t.equal(received.text, printFrames.syslog(entries));
  t.same(received.names, ["localhost"], "it is asked for by its name (RFC 6066)");
});

t.test("one with another name, or of an authority that nobody trusts, is told nothing", async (t) => {
  t.teardown(trust(ours));
  const wrongName = await receiver(t, ours.issue("siem.example.com"));
  await t.rejects(open("localhost", wrongName.port, never), {
    constructor: Passing,
    message: /localhost:\d+: .*does not match certificate's altnames/,
  });
  const byAddress = await receiver(t, ours.issue("localhost"));
  await t.rejects(open("127.0.0.1", byAddress.port, never), {
    message: /IP: 127\.0\.0\.1 is not in the cert's list/,
  });
  const wrongAuthority = await receiver(t, theirs.issue("localhost"));
  await t.rejects(open("localhost", wrongAuthority.port, never), {
    constructor: Passing,
    message: /certificate/,
  });
  const selfMade = await receiver(t, theirs);
  await t.rejects(open("localhost", selfMade.port, never), { constructor: Passing, message: /self-signed/ });
  for (const { received } of [wrongName, byAddress, wrongAuthority, selfMade]) t.equal(received.text, "");
});
