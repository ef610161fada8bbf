/** What Write asks of one program: the language service's answers, and what its models are under the page's settings. */
import {
  type CompletionList,
  createService,
  type DocumentSymbol,
  type FoldingRange,
  type Hover,
  type InlayHint,
  type Location,
  type SemanticToken,
  type ServiceDiagnostic,
  type SignatureHelp,
  type TextEdit,
} from '../../editor/service/index.ts';
import { parse } from '../../grammar/parser.ts';
import { pageHost } from '../../zoo/api/browser/host.ts';
import type * as zooc from '../../zoo/api/browser.ts';
import { base } from './sources.ts';
import { Facts, type ProgramFacts } from './write/facts.ts';
import { programPath } from './write/program.ts';
import { bundledStart } from './write/starts.ts';
import { withSettings } from './write/with-settings.ts';

/** A diagnostic with what its fix does, in words. */
export interface Mistake extends ServiceDiagnostic {
  readonly fixTitle?: string;
}

/** What is drawn of a text beside its mistakes. */
export interface Drawn {
  readonly tokens: readonly SemanticToken[];
  readonly symbols: readonly DocumentSymbol[];
  readonly folds: readonly FoldingRange[];
}

/** That a recipe names no data is no mistake here: Train brings the pictures of the page. */
function isOfData({ code, severity, message }: ServiceDiagnostic): boolean {
  return code === 'Z503' && severity === 'warning' && message.includes('no `data`');
}

export class Editing {
  readonly #host = pageHost();
  readonly #service = createService(this.#host);
  readonly #facts = new Facts();

  /** The text that all questions behind this one are about. */
  open(text: string): void {
    this.#service.open(programPath, text);
  }

  mistakes(): Mistake[] {
    const actions = this.#service.codeActions(programPath, { start: 0, end: Number.POSITIVE_INFINITY });
    const found = this.#service.diagnostics(programPath).filter((mistake) => !isOfData(mistake));
    return found.map((mistake) => {
      const { fix } = mistake;
      const action = actions.find(({ edits: [edit] }) => JSON.stringify(edit) === JSON.stringify(fix));
      return fix === undefined || action === undefined ? mistake : { ...mistake, fixTitle: action.title };
    });
  }

  drawn(): Drawn {
    return {
      tokens: this.#service.semanticTokens(programPath),
      symbols: this.#service.symbols(programPath),
      folds: this.#service.folding(programPath),
    };
  }

  hints(): InlayHint[] {
    return this.#service.inlayHints(programPath);
  }

  hover(offset: number): Hover | undefined {
    return this.#service.hover(programPath, offset);
  }

  completion(offset: number): CompletionList {
    return this.#service.completion(programPath, offset);
  }

  signature(offset: number): SignatureHelp | undefined {
    return this.#service.signatureHelp(programPath, offset);
  }

  definition(offset: number): Location | undefined {
    return this.#service.definition(programPath, offset);
  }

  /** Edits that give the canonical form; none where the text has syntax errors. */
  format(): TextEdit[] {
    return this.#service.format(programPath);
  }

  /** The models of a text, and one of them under settings; never throws for what is wrong with them. */
  facts(text: string, model: string | undefined, settings: zooc.Settings): ProgramFacts {
    return this.#facts.of(text, model, settings);
  }

  /** FLOPs of one row of an entry of the model that `facts` told last; undefined where that is another one by now. */
  flops(generation: number, entry: string): number | undefined {
    return this.#facts.flops(generation, entry);
  }

  /** The text with settings in place of the values that they change. */
  withSettings(text: string, model: string, settings: Readonly<Record<string, string>>): string {
    return withSettings(text, model, settings);
  }

  /** A program that declares a bundled model anew. */
  bundledStart(model: string): string {
    return bundledStart(this.#host, model);
  }

  /** The program of the page's emoji model, without the words about where it was trained. */
  async emojiStart(): Promise<string> {
    const response = await fetch(new URL('data/emoji.zoo', base));
    if (!response.ok) throw new Error(`data/emoji.zoo: ${response.status} ${response.statusText}`);
    const text = await response.text();
    return text.slice(parse({ path: programPath, text }).program.imports[0]?.span.start);
  }
}
