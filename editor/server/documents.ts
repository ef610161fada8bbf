/** Documents as a client names them, by URI, and as the language service does, by path. */
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Location, Range, type TextDocuments } from 'vscode-languageserver/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { LanguageService, Range as Offsets, Location as Place } from '../service/index.ts';

const bundled = 'zooc:';

export class Documents {
  readonly #open: TextDocuments<TextDocument>;
  readonly #service: LanguageService;
  /** Where the bundled packages lie, whose files an editor can open. */
  readonly #lib: string;
  /** How the client writes the URIs of what it opened. */
  readonly #uris = new Map<string, string>();

  constructor(open: TextDocuments<TextDocument>, service: LanguageService, lib: string) {
    this.#open = open;
    this.#service = service;
    this.#lib = resolve(lib);
  }

  get(uri: string): TextDocument | undefined {
    return this.#open.get(uri);
  }

  /** Paths of the open documents. */
  get paths(): string[] {
    return this.#open.all().map(({ uri }) => this.pathOf(uri));
  }

  /** A file's path; the name of a bundled package; of what is no file, as one that was never saved, the URI. */
  pathOf(uri: string): string {
    const path = filePath(uri);
    if (path === undefined) return uri;
    const known = this.named(path);
    if (this.#open.get(uri) !== undefined) this.#uris.set(known, uri);
    return known;
  }

  /** A file's path as the service says it. */
  named(path: string): string {
    const ours = dirname(path) === this.#lib && path.endsWith('.zoo');
    return ours ? `${bundled}${basename(path, '.zoo')}` : path;
  }

  uriOf(path: string): string {
    const known = this.#uris.get(path);
    if (known !== undefined && this.#open.get(known) !== undefined) return known;
    if (path.startsWith(bundled))
      return pathToFileURL(join(this.#lib, `${path.slice(bundled.length)}.zoo`)).href;
    return this.#open.get(path) === undefined ? pathToFileURL(path).href : path;
  }

  rangeOf(path: string, range: Offsets): Range {
    return rangeIn(this.#textOf(path), range);
  }

  locationOf({ path, ...range }: Place): Location {
    return { uri: this.uriOf(path), range: this.rangeOf(path, range) };
  }

  /** With its lines, of a file that is not open as well. */
  #textOf(path: string): TextDocument {
    const uri = this.uriOf(path);
    return this.#open.get(uri) ?? TextDocument.create(uri, 'zoo', 0, this.#service.text(path) ?? '');
  }
}

export function rangeIn(document: TextDocument, { start, end }: Offsets): Range {
  return Range.create(document.positionAt(start), document.positionAt(end));
}

export function offsetsIn(document: TextDocument, { start, end }: Range): Offsets {
  return { start: document.offsetAt(start), end: document.offsetAt(end) };
}

export function filePath(uri: string): string | undefined {
  if (!uri.startsWith('file:')) return undefined;
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
}
