export { compileErrors } from "./catalogue.ts";
export { type CompileOptions, compileFleet, generatedMark, hostFile } from "./compile.ts";
export { type EvaluateOptions, type Evaluation, evaluateFleet, loadFleet, type Program } from "./evaluate.ts";
export {
  checkGenerated,
  type Difference,
  staleError,
  type WriteResult,
  writeGenerated,
} from "./generated.ts";
export { optionsModule } from "./options-module.ts";
export { evaluatorArgument } from "./report.ts";
export { checkSources, type SourceUse, sourceError, sourcesOf } from "./sources.ts";
export { loadTemplates, type Templates } from "./templates.ts";
