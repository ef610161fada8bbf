/** Exported packages: `exportPackage` makes one, `loadPackage` verifies and opens one. */
export { type Bundle, bundleModel, bundleRecipe } from './bundle.ts';
export { checkFormat, type ExportFormat, type ExportRequest, exportPackage } from './export.ts';
export {
  isPackage,
  type LoadedPackage,
  loadPackage,
  type Manifest,
  type TrainingSummary,
} from './package.ts';
