/**
 * How systemd reads command lines and lists of words: systemd.syntax(7) "Quoting", systemd.service(5) "Command lines",
 * systemd.unit(5) "Specifiers". Everything that would be given a meaning of its own is refused: a specifier, a variable, a
 * separator.
 */

const escapes: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
  "'": "'",
  s: " ",
};

/** The arguments of an ExecStart= without prefixes. */
export function readCommandLine(line: string): string[] {
  return splitWords(line, true).map(expandSpecifiers).map(expandVariables);
}

/** The words of a setting such as Environment=. */
export function readWords(line: string): string[] {
  return splitWords(line, false).map(expandSpecifiers);
}

function splitWords(line: string, command: boolean): string[] {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && /[ \t\n\r]/.test(line.charAt(at))) at += 1;
    if (at >= line.length) return words;
    if (command && /^;([ \t\n\r]|$)/.test(line.slice(at))) throw new Error("a separator");
    const { word, end } = readWord(line, at);
    words.push(word);
    at = end;
  }
}

function readWord(line: string, start: number): { readonly word: string; readonly end: number } {
  let word = "";
  let quote = "";
  let at = start;
  for (; at < line.length; at += 1) {
    const char = line.charAt(at);
    if (char === "\\") {
      const { text, length } = readEscape(line.slice(at + 1));
      word += text;
      at += length;
    } else if (quote !== "") {
      if (char === quote) quote = "";
      else word += char;
    } else if (char === '"' || char === "'") quote = char;
    else if (/[ \t\n\r]/.test(char)) break;
    else word += char;
  }
  if (quote !== "") throw new Error("a quote that is not closed");
  return { word, end: at };
}

function readEscape(rest: string): { readonly text: string; readonly length: number } {
  const simple = escapes[rest.charAt(0)];
  if (simple !== undefined) return { text: simple, length: 1 };
  const [whole, kind, hex = ""] =
    /^(?:(x)([0-9a-fA-F]{2})|(?:(?:u)([0-9a-fA-F]{4})))/.exec(rest)?.filter((part) => part !== undefined) ??
    [];
  if (whole === undefined || kind === undefined) throw new Error(`the escape \\${rest.slice(0, 4)}`);
  const digits = hex === "" ? kind : hex;
  const text = String.fromCodePoint(Number.parseInt(digits, 16));
  if (text === "\u0000") throw new Error("a NUL");
  return { text, length: whole.length };
}

function expandSpecifiers(word: string): string {
  return word.replaceAll(/%(.?)/gs, (_, next: string) => {
    if (next !== "%") throw new Error(`the specifier %${next}`);
    return "%";
  });
}

function expandVariables(word: string): string {
  return word.replaceAll(/\$(.?)/gs, (_, next: string) => {
    if (next !== "$") throw new Error(`the variable $${next}`);
    return "$";
  });
}
