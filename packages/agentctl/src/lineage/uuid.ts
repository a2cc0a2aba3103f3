import { createHash } from "node:crypto";

/** The namespace of names that are URLs (RFC 9562 section 6.6). */
export const urlNamespace = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

/** The UUID of a name (version 5, RFC 9562 section 5.5): the same name has the same one everywhere. */
export function nameUuid(namespace: string, name: string): string {
  const bytes = createHash("sha1")
    .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
    .update(name)
    .digest()
    .subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) % 16) + 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) % 64) + 0x80, 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
