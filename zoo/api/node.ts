/** `import * as zooc from 'zooc'` in Node. The types of this file are those of the browser's entry as well. */
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import type { Gpu } from './gpu.ts';
import { libraryOf } from './library.ts';
import type { ZooModel } from './model.ts';
import { nodePlatform } from './node/platform.ts';
import type { OpenOptions, Settings } from './types.ts';

export * from './public.ts';

const library = libraryOf(nodePlatform);

/**
 * A model from a bundled name (`ViT-B/32`), a text of the language, or (Node) a path `FILE.zoo#name`. All sizes are checked.
 * @param settings static parameters by path: `{ 'vision.layers': 2 }`
 * @param name which model, where a text has several
 * @throws DiagnosticError Z1xx to Z3xx, with the places in the text
 */
export function model(source: string, settings?: Settings, name?: string): ZooModel {
  return library.model(source, settings, name);
}

/** Everything that is wrong with a text of the language, as data; an empty list where nothing is. Nothing is thrown. */
export function check(text: string): readonly Diagnostic[] {
  return library.check(text);
}

/**
 * Opens the preferred adapter's device. Close it when done.
 * @throws DiagnosticError Z601 where there is no adapter, Z602 for a name that fits none, Z603 where it refuses, Z636 on Node
 * without the package `webgpu`
 */
export function open(options?: OpenOptions): Promise<Gpu> {
  return library.open(options);
}
