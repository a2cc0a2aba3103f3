/** LevelDB, for those who load it on demand: esbuild gives a CommonJS package that is imported on demand no names of its own. */
export { Level } from "level";
