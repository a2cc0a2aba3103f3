/*
 * The host that a TLS client names, read from the first bytes that it sends (RFC 8446 4.1.2, RFC 6066 3). Only read: what
 * passes is passed on byte for byte.
 */

export type ClientHello =
  /** More bytes have to come before anything can be said. */
  | { readonly kind: "incomplete" }
  /** It is no ClientHello, or a damaged one. */
  | { readonly kind: "other" }
  /** @property name as sent; null where there is none */
  | { readonly kind: "hello"; readonly name: string | null };

/** A ClientHello that is longer is refused: with all post-quantum key shares, real ones have less than 4 KiB. */
export const maxHelloBytes = 64 * 1024;

const handshakeRecord = 22;
const clientHello = 1;
const serverNameExtension = 0;
const hostNameType = 0;
/** RFC 8446 5.1 */
const maxRecordBytes = 16_384;

/** @param bytes all that the client has sent so far */
export function readClientHello(bytes: Buffer): ClientHello {
  const message = reassemble(bytes);
  if (typeof message === "string") return { kind: message };
  try {
    return { kind: "hello", name: serverName(new Cursor(message)) };
  } catch (error) {
    if (error instanceof Damaged) return { kind: "other" };
    throw error;
  }
}

/** The body of the first handshake message, put together from as many records as it takes. */
function reassemble(bytes: Buffer): Buffer | "incomplete" | "other" {
  const parts: Buffer[] = [];
  let offset = 0;
  let have = 0;
  for (;;) {
    // Each byte is judged as soon as it is there: what can never become a ClientHello must not be waited for.
    if (bytes.length > offset && bytes[offset] !== handshakeRecord) return "other";
    if (bytes.length > offset + 1 && bytes[offset + 1] !== 3) return "other";
    if (bytes.length < offset + 5) return "incomplete";
    const length = bytes.readUInt16BE(offset + 3);
    if (length === 0 || length > maxRecordBytes) return "other";
    const part = bytes.subarray(offset + 5, offset + 5 + length);
    parts.push(part);
    have += part.length;
    const message = have > 0 ? Buffer.concat(parts) : Buffer.alloc(0);
    if (message.length > 0 && message[0] !== clientHello) return "other";
    if (message.length >= 4) {
      const size = message.readUIntBE(1, 3);
      if (size + 4 > maxHelloBytes) return "other";
      if (message.length >= size + 4) return message.subarray(4, size + 4);
    }
    if (part.length < length) return "incomplete";
    offset += 5 + length;
  }
}

function serverName(hello: Cursor): string | null {
  hello.skip(2 + 32);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  if (hello.isEmpty) return null;
  const extensions = hello.vector(2);
  if (!hello.isEmpty) throw new Damaged();
  let name: string | null = null;
  const seen = new Set<number>();
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    // RFC 8446 4.2: no extension twice. A second name would be the one that some servers look at.
    if (seen.has(type)) throw new Damaged();
    seen.add(type);
    if (type === serverNameExtension) name = onlyName(body);
  }
  return name;
}

function onlyName(extension: Cursor): string {
  const list = extension.vector(2);
  if (!extension.isEmpty) throw new Damaged();
  if (list.number(1) !== hostNameType) throw new Damaged();
  const name = list.vector(2).rest();
  if (!list.isEmpty || name.length === 0) throw new Damaged();
  return name.toString("latin1");
}

class Damaged extends Error {}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(count: number): void {
    this.#take(count);
  }

  number(width: number): number {
    return this.#take(width).readUIntBE(0, width);
  }

  /** What has its length, of `width` bytes, before it. */
  vector(width: number): Cursor {
    return new Cursor(this.#take(this.number(width)));
  }

  rest(): Buffer {
    return this.#take(this.#bytes.length - this.#at);
  }

  #take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new Damaged();
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
