import { isDarumaError } from "@daruma/base";
import fc from "fast-check";
import t from "tap";
import type { HostManifest } from "./manifest.ts";
import { parseManifestPieces } from "./manifest-pieces.ts";
import { parseManifest } from "./parse-manifest.ts";
import { decodedAgent, decodedRoutine } from "./test-support.ts";

const { fallback: _, ...agent } = decodedAgent({});
const routine = decodedRoutine({ schedule: "0 2 * * *" });
const command = ["/nix/store/x/bin/node", 'a "},{" b\\'];
const manifest: HostManifest = {
  schemaVersion: 1,
  host: 'agents": {',
  system: "x86_64-linux",
  hostDigest: "aa",
  watchdog: { probationMs: 600_000, rollbackBudget: 1 },
  agents: {
    one: { ...agent, egress: null, digest: "bb", command, environment: { agents: "{", B: "}," } },
    two: { ...agent, egress: null, digest: "cc", command, environment: { ä: "😀" } },
  },
  routines: { nightly: { ...routine, egress: null, digest: "dd", command, environment: {} } },
};
const text = JSON.stringify(manifest, null, 1);

/** What is read, or the code of the error. */
async function outcome(read: () => HostManifest | Promise<HostManifest>): Promise<HostManifest | string> {
  try {
    return await read();
  } catch (error) {
    if (isDarumaError(error)) return error.code;
    throw error;
  }
}

async function inPieces(chunks: readonly string[]): Promise<HostManifest> {
  const kept = await parseManifestPieces(chunks, (each) => each);
  return kept as HostManifest;
}

function cut(whole: string, places: readonly number[]): readonly string[] {
  const ends = [...places.map((place) => place % (whole.length + 1)), whole.length].sort((a, b) => a - b);
  return ends.map((end, index) => whole.slice(ends[index - 1] ?? 0, end));
}

t.test("a manifest in pieces is the manifest, wherever it is cut", async (t) => {
  t.same(await inPieces([...text]), manifest);
  t.same(await inPieces([JSON.stringify(manifest)]), manifest);
  t.same(await inPieces([JSON.stringify({ ...manifest, agents: {} })]), { ...manifest, agents: {} });
  const spelled = text.replace('"agents": {\n  "one"', '"\\u0061gents": {\n  "one"');
  t.not(spelled, text);
  t.same(await inPieces([spelled]), manifest);
});

t.test("whatever is damaged, it is refused where the whole is, with the same code", async (t) => {
  const marks = fc.constantFrom("", '"', "{", "}", "[", "]", ",", ":", "\\", " ", "1", "null");
  const damages = fc.array(fc.tuple(fc.nat(text.length), fc.nat(2), marks), { minLength: 1, maxLength: 2 });
  await fc.assert(
    fc.asyncProperty(damages, fc.array(fc.nat(), { maxLength: 4 }), async (all, places) => {
      const damaged = all.reduce(
        (whole, [at, length, mark]) => whole.slice(0, at) + mark + whole.slice(at + length),
        text,
      );
      const expected = await outcome(() => parseManifest(damaged));
      t.same(await outcome(() => inPieces(cut(damaged, places))), expected);
    }),
    { numRuns: 400 },
  );
});

t.test("a name that is there twice is refused, and so is a comma too many", async (t) => {
  const refused = (damaged: string, why: RegExp) => t.rejects(inPieces([damaged]), why);
  await refused(text.replace('"two": {', '"one": {'), /agents\.one is there twice/);
  await refused(text.replace('"routines": {', '"routines": {},\n "agents": {'), /agents\.nightly/);
  await refused(JSON.stringify({ ...manifest, agents: {} }).replace('"agents":{', '"agents":{,'), /comma/);
  await refused(text.replace('\n },\n "routines"', ',\n },\n "routines"'), /comma/);
});

t.test("another version is told before anything that it may have is", async (t) => {
  const later = text.replace('"schemaVersion": 1', '"schemaVersion": 2').replace('"digest": "bb",', "");
  await t.rejects(inPieces([later]), { code: "CONFIG_E_MANIFEST_VERSION" });
});
