import fc from "fast-check";
import t from "tap";
import { codeBlock, inlineMarkdown } from "./markdown.ts";

t.test("whatever an agent says is one line of plain text in Markdown", async (t) => {
  const hostile = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc
      .array(fc.constantFrom(..."\\`*_{}[]()<>#|&~!@-+1.)\n\r\t \u0000\u001b\u202e:/w".split("")), {
        maxLength: 30,
      })
      .map((all) => all.join("")),
  );
  fc.assert(
    fc.property(hostile, (text) => {
      const line = inlineMarkdown(text);
      // Without what is escaped, nothing is left that means anything.
      const bare = line.replaceAll(/\\[\\`*_{}[\]()<>#|&~!@$^=:.+)-]/g, "");
      return (
        !/[\\`*_{}[\]<>#|&~!@\p{Cc}\p{Cf}]/u.test(bare.replaceAll(/\\u[0-9a-f]{4}/g, "")) &&
        !/^([-+]|\d+[.)])/.test(line)
      );
    }),
    { numRuns: 300 },
  );
  t.equal(
    inlineMarkdown("<img src=x> [a](http://b) www.c.d\n# no"),
    "\\<img src\\=x\\> \\[a\\]\\(http\\://b\\) www\\.c.d \\# no",
  );
  t.equal(inlineMarkdown("1. one"), "1\\. one");
  t.equal(inlineMarkdown("+5 ms"), "\\+5 ms");
});

t.test("no line ends a code block", async (t) => {
  t.same(codeBlock(["a", "```", "````x"]), ["`````text", "a", "```", "````x", "`````"]);
  t.same(codeBlock(["a\nb\u001b"]), ["```text", "a b\\u001b", "```"]);
});
