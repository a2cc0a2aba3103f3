/** What of a manifest grows with the host. */
export const sections = ["agents", "routines"] as const;
export type Section = (typeof sections)[number];

const quote = 34;
const comma = 44;
const openBracket = 91;
const backslash = 92;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;

/**
 * Takes the agents and the routines out of the text of a manifest as it arrives, so that nobody has to hold all of them. What is left is
 * the text of a manifest without any, if the whole is the text of one; whatever is wrong with it, is wrong with what is left, or with the
 * member that it is in (RFC 8259).
 */
export class ManifestCutter {
  /** Gets the text of each member, `"name": {…}`, without what separates it from others; blank where there is only that. */
  readonly #onMember: (section: Section, text: string) => void;
  #rest = "";
  #member = "";
  #section: Section | null = null;
  /** Whether a member of this section has gone before. */
  #follows = false;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Where in `#rest` the last string of the document's own level begins, which is the name of what follows it. */
  #nameAt = 0;

  constructor(onMember: (section: Section, text: string) => void) {
    this.#onMember = onMember;
  }

  /** Complete once everything was pushed. */
  get rest(): string {
    return this.#rest;
  }

  push(text: string): void {
    let taken = 0;
    const take = (end: number) => {
      if (this.#section === null) this.#rest += text.slice(taken, end);
      else this.#member += text.slice(taken, end);
      taken = end;
    };
    for (let at = 0; at < text.length; at += 1) {
      const char = text.charCodeAt(at);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (char === backslash) this.#escaped = true;
        else if (char === quote) this.#inString = false;
      } else if (char === quote) {
        this.#inString = true;
        if (this.#depth !== 1) continue;
        take(at);
        this.#nameAt = this.#rest.length;
      } else if (char === openBrace || char === openBracket) {
        this.#depth += 1;
        if (this.#depth !== 2) continue;
        take(at + 1);
        this.#section = this.#opened();
      } else if (char === closeBrace || char === closeBracket) {
        this.#depth -= 1;
        if (this.#depth !== 1 || this.#section === null) continue;
        take(at);
        if (this.#follows || this.#member.trim() !== "") this.#emit(this.#section);
        this.#section = null;
        this.#follows = false;
      } else if (char === comma && this.#depth === 2 && this.#section !== null) {
        take(at);
        taken = at + 1;
        this.#emit(this.#section);
        this.#follows = true;
      }
    }
    take(text.length);
  }

  #emit(section: Section): void {
    const member = this.#member;
    this.#member = "";
    this.#onMember(section, member);
  }

  /** A name that is spelled in another way (`\u0061gents`) is no section: its members stay in the rest. */
  #opened(): Section | null {
    const [, name, after = ""] = /^"([a-z]+)"\s*:\s*(.*)$/s.exec(this.#rest.slice(this.#nameAt)) ?? [];
    return after === "{" ? (sections.find((section) => section === name) ?? null) : null;
  }
}
