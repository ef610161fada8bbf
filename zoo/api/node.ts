/** `import * as zooc from 'zooc'` in Node. The types of this file are those of the browser's entry as well. */
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import type { Gpu } from './gpu.ts';
import { libraryOf } from './library.ts';
import type { ZooModel } from './model.ts';
import { nodePlatform } from './node/platform.ts';
import type { BytesInput, OpenOptions, Settings } from './types.ts';

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

/** Names of the bundled models, which `model` takes: `RN50`, `ViT-B/32`, … */
export function models(): readonly string[] {
  return library.models();
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

/**
 * CLIP's merges as a text, one a line in order of precedence: what a page gives to `useMerges`.
 * @param vocab the vocabulary that they are for, 514 to 49408 ids; OpenAI's whole one by default
 * @throws DiagnosticError Z414 for another vocabulary
 */
export function merges(vocab?: number): Promise<string> {
  return library.merges(vocab);
}

/**
 * Where tokenizers take their merges from. Pages have to say it before the first text; Node has them.
 * @param source a text such as `merges` gives, as a path or address, bytes, or a Blob; read when it is needed
 */
export function useMerges(source: BytesInput): void {
  library.useMerges(source);
}

/**
 * Files of the language that lie nowhere: `model('a/model.zoo')` and imports by relative paths find them. A page gives those of
 * an exported folder, say. A path that was given before gets its new text.
 * @param files texts by path, with `/`
 */
export function useFiles(files: Readonly<Record<string, string>>): void {
  library.useFiles(files);
}
