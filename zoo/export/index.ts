/**
 * Exports: `exportPackage` makes a package of our own, `loadPackage` verifies and opens one; `exportForeign`
 * makes a folder for another project's loader.
 */
export { bundleRecipe } from './bundle.ts';
export { type ExportRequest, exportPackage } from './export.ts';
export { exportForeign, type ForeignFormat } from './foreign/foreign.ts';
export { isPackage, loadPackage } from './package.ts';
