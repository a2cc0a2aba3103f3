export { type Authority, authority, type Certificate, trust } from "./certificates.ts";
export { character } from "./character.ts";
