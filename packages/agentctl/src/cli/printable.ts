/** Messages quote user input: control characters in it must not steer the terminal. New lines are indented. */
export function printable(text: string): string {
  return text
    .replaceAll(/\r?\n/g, "\n    ")
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, (char) =>
      char === "\n" || char === "\t"
        ? char
        : `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
    );
}
