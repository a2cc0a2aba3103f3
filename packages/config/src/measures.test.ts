import fc from "fast-check";
import t from "tap";
import { formatDuration, formatSize, parseDuration, parseSize } from "./measures.ts";

const amounts = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

t.test("durations and sizes are read exactly", async (t) => {
  t.same(parseDuration("15s"), { ok: true, value: 15_000 });
  t.same(parseDuration("0ms"), { ok: true, value: 0 });
  t.same(parseDuration("7d"), { ok: true, value: 604_800_000 });
  t.same(parseSize("512MiB"), { ok: true, value: 536_870_912 });
  t.same(parseSize("9007199254740991B"), { ok: true, value: Number.MAX_SAFE_INTEGER });
});

t.test("what is written is read back as the same number", async () => {
  fc.assert(
    fc.property(amounts, (value) => {
      const duration = parseDuration(formatDuration(value));
      const size = parseSize(formatSize(value));
      return duration.ok && duration.value === value && size.ok && size.value === value;
    }),
  );
});

t.test("the largest unit that divides a number is the one that is written", async (t) => {
  t.equal(formatDuration(90_000), "90s");
  t.equal(formatDuration(60_000), "1m");
  t.equal(formatDuration(0), "0ms");
  t.equal(formatSize(536_870_912), "512MiB");
  t.equal(formatSize(1000), "1000B");
});

t.test("numbers that no measure can have are a bug of the caller", async (t) => {
  for (const value of [-1, 0.5, Number.NaN, 2 ** 53]) t.throws(() => formatDuration(value), RangeError);
});

t.test("anything but a whole number and a unit is refused", async (t) => {
  const wrong = ["", " ", "s", "15", "15 s", " 15s", "015s", "+15s", "1e3s", "1.5s", "15S", "15sec", "1h30m"];
  for (const text of wrong) t.equal(parseDuration(text).ok, false, text);
  for (const text of ["512", "512mib", "512MB", "0x10B", "٣s"]) t.equal(parseSize(text).ok, false, text);
});

t.test("negative, huge and hostile amounts are refused", async (t) => {
  for (const text of ["-5s", "-0s", "9007199254740992ms", "99999999999d", `${"9".repeat(100_000)}s`]) {
    t.equal(parseDuration(text).ok, false);
  }
  t.equal(parseSize("9007199254740992B").ok, false);
  t.equal(parseSize("8192TiB").ok, false);
});

t.test(
  "no text makes the reader throw, and what it accepts is the text it would write for some unit",
  async () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0159-+.eE smhdMiBK") }), (text) => {
        const parsed = parseDuration(text);
        return !parsed.ok || /^(0|[1-9]\d*)(ms|s|m|h|d)$/.test(text);
      }),
    );
  },
);

t.test("a refusal names the value that was most likely meant", async (t) => {
  const hint = (text: string, parse = parseDuration) => {
    const parsed = parse(text);
    return parsed.ok ? "" : parsed.problem;
  };
  t.match(hint("1.5m"), '"90s"');
  t.match(hint("15"), '"15s"');
  t.match(hint("15 s"), '"15s"');
  t.match(hint("10 minutes"), '"10m"');
  t.match(hint("250msec"), '"250ms"');
  t.match(hint("512MB", parseSize), '"512MiB"');
  t.match(hint("2g", parseSize), '"2GiB"');
});
