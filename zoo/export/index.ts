/**
 * Exports: `exportPackage` makes a package of our own, `loadPackage` verifies and opens one; `exportForeign` makes a folder
 * for another project's loader.
 */
export { type Bundle, bundleModel, bundleRecipe } from './bundle.ts';
export { type ExportRequest, exportPackage } from './export.ts';
export { exportForeign, type ForeignExport, type ForeignFormat } from './foreign/foreign.ts';
export {
  isPackage,
  type LoadedPackage,
  loadPackage,
  type Manifest,
  type TrainingSummary,
} from './package.ts';
