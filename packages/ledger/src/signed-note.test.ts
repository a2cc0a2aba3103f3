import { randomBytes } from "node:crypto";
import { character } from "@daruma/base/test-support";
import fc from "fast-check";
import t from "tap";
import { parseCheckpoint, printCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { emptyRoot } from "./merkle.ts";
import {
  decodeBase64,
  keyType,
  makeSigner,
  type Note,
  parseNote,
  parseSigner,
  parseVerifier,
  printNote,
  printSigner,
  signText,
  type Verifier,
  verifyNote,
} from "./signed-note.ts";

/** The example of https://c2sp.org/signed-note. */
const exampleKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const exampleNote = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

function verifierOf(vkey: string): Verifier {
  const verifier = parseVerifier(vkey);
  if (verifier === null) throw new Error(`not a vkey: ${vkey}`);
  return verifier;
}

function noteOf(text: string): Note {
  const note = parseNote(text);
  if (note === null) throw new Error(`not a note: ${text}`);
  return note;
}

const signer = makeSigner("daruma/etl-01", keyType.note, Buffer.alloc(32, 7));
const witness = makeSigner("witness.example/w1", keyType.cosignature, Buffer.alloc(32, 8));

t.test("the example of C2SP signed-note verifies, and its key prints as it stands there", async (t) => {
  const verifier = verifierOf(exampleKey);
  t.match(verifier, { name: "example.com/foo", id: "530d903a", vkey: exampleKey });
  const note = noteOf(exampleNote);
  t.equal(note.text, "This is an example message.\n");
  t.equal(verifyNote(note, verifier).kind, "good");
  t.equal(printNote(note), exampleNote);
});

t.test("any change of the text or of the signature is seen", async (t) => {
  const verifier = verifierOf(exampleKey);
  const changes: readonly (readonly [string, string, string])[] = [
    ["example message", "Example message", "bad"],
    ["Uw2QOkn8", "Uw2QOkn9", "bad"],
    ["Uw2QOkn8", "Vw2QOkn8", "absent"],
    ["— example.com/foo", "— example.com/bar", "absent"],
  ];
  for (const [from, to, kind] of changes) {
    t.equal(verifyNote(noteOf(exampleNote.replace(from, to)), verifier).kind, kind, to);
  }
});

t.test("one bad signature of a known key spoils a note, those of unknown keys are passed over", async (t) => {
  const other = makeSigner("other", keyType.note, Buffer.alloc(32, 9));
  const text = "text\n";
  const good = signText(signer, text);
  const bad = { ...good, line: signText(signer, "another text\n").line };
  const kind = (lines: readonly { readonly line: string }[]) =>
    verifyNote(noteOf(`${text}\n${lines.map(({ line }) => line).join("")}`), signer.verifier).kind;
  t.equal(kind([signText(other, text), good]), "good");
  t.equal(kind([good, bad]), "bad");
  t.equal(kind([bad, good]), "bad");
  t.equal(kind([signText(other, text)]), "absent");
});

t.test("what is no note is told apart, and nothing throws", async (t) => {
  const wrong = [
    "",
    "text\n",
    "text\n\n",
    exampleNote.slice(0, -1),
    exampleNote.replace("\n\n", "\n"),
    exampleNote.replace("— ", "- "),
    exampleNote.replace("example.com/foo ", "example.com/foo  "),
    exampleNote.replace("Uw2QOkn8", "Uw2Q\u0007"),
    exampleNote.replace("neyaQM=", "neyaQM"),
    exampleNote.replace("example message", "example\tmessage"),
    exampleNote.replace("example message", "\ud800"),
    `${exampleNote}more\n`,
    `${"x".repeat(200_000)}\n\n— a Uw2QOkn8srV1yJGh\n`,
  ];
  for (const text of wrong) t.equal(parseNote(text), null, JSON.stringify(text.slice(0, 80)));
  fc.assert(
    fc.property(fc.string({ unit: character }), (text) => {
      const note = parseNote(text);
      return note === null || printNote(note) === text;
    }),
  );
});

t.test("what is no key is told apart", async (t) => {
  const wrong = [
    "",
    "example.com/foo",
    exampleKey.replace("530d903a", "530d903b"),
    exampleKey.replace("example.com/foo", "example.com/bar"),
    exampleKey.replace("example.com/foo", "example com"),
    exampleKey.replace("example.com/foo", ""),
    exampleKey.slice(0, -1),
    exampleKey.replace("+AekyeRrm", "+BekyeRrm"),
    `${exampleKey}\n`,
  ];
  for (const vkey of wrong) t.equal(parseVerifier(vkey), null, vkey);
  t.equal(parseSigner(`${printSigner(signer)}x`), null);
  t.equal(parseSigner(signer.verifier.vkey), null);
});

t.test("a private key is the same after printing and reading it, and signs for its vkey", async (t) => {
  for (const type of Object.values(keyType)) {
    const made = makeSigner("daruma/host%20one", type, randomBytes(32));
    const read = parseSigner(printSigner(made));
    t.equal(read?.verifier.vkey, made.verifier.vkey);
    const text = "some text\n\nwith an empty line\n";
    const note = noteOf(printNote({ text, signatures: [signText(made, text, 1_795_000_000)] }));
    t.equal(note.text, text);
    const timeSeconds = type === keyType.note ? 0 : 1_795_000_000;
    t.match(verifyNote(note, verifierOf(made.verifier.vkey)), { kind: "good", timeSeconds });
  }
});

t.test("a cosignature signs its time, and is another thing than a signature of the same key", async (t) => {
  const text = printCheckpoint({ origin: "daruma/etl-01", size: 5, root: emptyRoot });
  const line = signText(witness, text, 1_795_000_000).line;
  const [, name, base64] = line.trimEnd().split(" ");
  const bytes = decodeBase64(base64 ?? "") ?? Buffer.alloc(0);
  const later = Buffer.from(bytes);
  later[11] = (later[11] ?? 0) + 1;
  const at = (changed: Buffer) =>
    verifyNote(noteOf(`${text}\n— ${name} ${changed.toString("base64")}\n`), witness.verifier).kind;
  t.equal(at(bytes), "good");
  t.equal(at(later), "bad", "another time");
  t.equal(at(Buffer.concat([bytes.subarray(0, 4), bytes.subarray(12)])), "bad", "no time");
  const plain = makeSigner(witness.verifier.name, keyType.note, witness.seed);
  t.not(plain.verifier.id, witness.verifier.id);
});

t.test("a checkpoint reads as it was printed, and in no other form", async (t) => {
  const text = signCheckpoint(signer, { origin: "daruma/etl-01", size: 2 ** 53 - 1, root: emptyRoot });
  const read = parseCheckpoint(text);
  t.match(read, { origin: "daruma/etl-01", size: 2 ** 53 - 1 });
  t.same(read?.root, emptyRoot);
  const again = (body: string) =>
    parseCheckpoint(printNote({ text: body, signatures: [signText(signer, body)] }));
  const root = emptyRoot.toString("base64");
  t.match(again(`o\n0\n${root}\nan extension\n`), { origin: "o", size: 0 });
  for (const body of [
    `\n5\n${root}\n`,
    `o\n05\n${root}\n`,
    `o\n-5\n${root}\n`,
    `o\n5.0\n${root}\n`,
    `o\n9007199254740992\n${root}\n`,
    `o\n5\n${root.slice(0, -4)}\n`,
    `o\n5\n\n${root}\n`,
    `o\n5\n`,
    `o\n5\n${root}\n\nextension\n`,
  ]) {
    t.equal(again(body), null, JSON.stringify(body));
  }
});
