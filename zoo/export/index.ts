/**
 * Exports: `exportPackage` makes a package of our own, `exportAdapter` one without the weights of a base,
 * `loadPackage` verifies and opens them; `exportForeign` makes a folder for another project's loader.
 */

export { isPackage, loadPackage } from '../weights/package.ts';
export { exportAdapter } from './adapter.ts';
export { bundleRecipe } from './bundle.ts';
export { type ExportRequest, exportPackage } from './export.ts';
export { exportForeign, type ForeignFormat } from './foreign/foreign.ts';
