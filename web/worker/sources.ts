/** Models as visitors give them: bundled, written in the editor, from a folder or file of theirs, or from an address. */
import { parse } from '../../grammar/parser.ts';
import * as zooc from '../../zoo/api/browser.ts';

export type ModelSource =
  /** The emoji model of this page. */
  | { readonly kind: 'emoji' }
  /** An export: its files of the language by path, and its weights. */
  | { readonly kind: 'folder'; readonly files: Readonly<Record<string, string>>; readonly weights: Blob }
  /** Safetensors of a model that is named or written. */
  | {
      readonly kind: 'weights';
      readonly model: string;
      readonly name?: string;
      readonly settings?: zooc.Settings;
      readonly weights: Blob;
    }
  /** An export's folder, or one file of safetensors of `model`. */
  | { readonly kind: 'address'; readonly url: string; readonly model: string };

export interface FoundModel {
  readonly model: zooc.ZooModel;
  readonly weights: zooc.WeightsInput;
}

/** Where the page's own files are. Workers lie in a folder below it. */
export const base = new URL('../', self.location.href);

/** The files that a file of the language imports, by paths from it. */
function importsOf(path: string, text: string): string[] {
  const { imports } = parse({ path, text }).program;
  const specs = imports.map(({ from }) => from.text);
  return specs.filter((spec) => /^\.{1,2}\//.test(spec));
}

async function textOf(url: URL): Promise<string> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw failure(
      `${url} cannot be fetched: ${(error as Error).message}`,
      'the other site must allow it (CORS)',
    );
  }
  if (!response.ok) throw failure(`${url} cannot be fetched: ${response.status} ${response.statusText}`);
  return response.text();
}

function failure(message: string, help?: string): zooc.DiagnosticError {
  return new zooc.DiagnosticError([
    { code: 'Z701', severity: 'error', message, ...(help === undefined ? {} : { help }) },
  ]);
}

let folders = 0;

/** The model of an export's files. @throws DiagnosticError Z1xx to Z3xx, Z701 where there is no model.zoo */
function ofFiles(files: Readonly<Record<string, string>>): zooc.ZooModel {
  if (files['model.zoo'] === undefined)
    throw failure('the folder has no model.zoo', 'choose a folder that zooc export, or train, wrote');
  folders++;
  const folder = `given-${folders}`;
  zooc.useFiles(Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text])));
  return zooc.model(`${folder}/model.zoo`);
}

/** The files of the language of an export, found by its imports. */
async function fetchFolder(folder: URL): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const open = ['model.zoo'];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (files[path] !== undefined) continue;
    const text = await textOf(new URL(path, folder));
    files[path] = text;
    for (const spec of importsOf(path, text)) {
      const from = new URL(path, 'file:///');
      open.push(decodeURIComponent(new URL(spec, from).pathname.slice(1)));
    }
  }
  return files;
}

/** @throws DiagnosticError Z1xx to Z3xx for the model, Z701 for what cannot be fetched */
export async function findModel(source: ModelSource): Promise<FoundModel> {
  switch (source.kind) {
    case 'emoji': {
      const folder = new URL('data/', base);
      return { model: ofFiles(await fetchFolder(folder)), weights: new URL('weights.safetensors', folder) };
    }
    case 'folder':
      return { model: ofFiles(source.files), weights: source.weights };
    case 'weights':
      return { model: zooc.model(source.model, source.settings, source.name), weights: source.weights };
    case 'address': {
      const url = new URL(source.url, base);
      if (!url.pathname.endsWith('/')) return { model: zooc.model(source.model), weights: url };
      return { model: ofFiles(await fetchFolder(url)), weights: new URL('weights.safetensors', url) };
    }
  }
}

/** Vocabularies up to this many ids are served by the small file of merges. */
const smallVocab = 4096;
let whole = false;

/** Says where the merges for a model's texts are. The small file serves until a model needs the whole one. */
export function useMergesFor(model: zooc.ZooModel): void {
  const vocab = model.entries
    .flatMap(({ inputs }) => inputs)
    .reduce((most, { ids }) => Math.max(most, (ids?.max ?? -1) + 1), 0);
  whole ||= vocab > smallVocab;
  zooc.useMerges(new URL(whole ? 'data/merges.txt' : `data/merges-${smallVocab}.txt`, base));
}
