import fc from "fast-check";
import t from "tap";
import { LineSplitter } from "./lines.ts";

function split(chunks: readonly Buffer[], maxBytes: number) {
  const lines: string[] = [];
  const tooLong: string[] = [];
  const splitter = new LineSplitter(maxBytes, {
    onLine: (bytes) => lines.push(bytes.toString("latin1")),
    onTooLong: (start) => {
      tooLong.push(start.toString("latin1"));
      lines.push("too long");
    },
  });
  for (const chunk of chunks) splitter.push(chunk);
  return { lines, tooLong, unfinished: splitter.unfinishedBytes };
}

t.test("however the bytes are cut into chunks, the lines are the same", async () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 60 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(8)), fc.integer({ min: 0, max: 10 }), (text, sizes, maxBytes) => {
      const chunks: Buffer[] = [];
      let rest = Buffer.from(text);
      for (const size of sizes) {
        chunks.push(rest.subarray(0, size));
        rest = rest.subarray(size);
      }
      chunks.push(rest);
      const pieces = text.split("\n");
      const last = pieces.pop() ?? "";
      const expected = pieces.map((piece) => (piece.length > maxBytes ? "too long" : piece));
      if (last.length > maxBytes) expected.push("too long");
      const found = split(chunks, maxBytes);
      return JSON.stringify(found.lines) === JSON.stringify(expected) && found.unfinished === last.length;
    }),
  );
});

t.test("a line that is too long is told once, with its start, and the next line is read again", async (t) => {
  const chunks = ["0123", "4567", "89\nnext", "\n"].map((text) => Buffer.from(text));
  t.same(split(chunks, 5), { lines: ["too long", "next"], tooLong: ["01234567"], unfinished: 0 });
});
