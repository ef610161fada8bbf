/** What a file or package declares and imports, as `modules/` loads it and every later room reads it. */
import type {
  BlockDecl,
  EntryMember,
  FnDecl,
  ForwardMember,
  Item,
  ModelDecl,
  NamesDecl,
  ObjectiveDecl,
  Program,
  TrainDecl,
} from '../../../grammar/ast.ts';
import type { SourceFile } from '../../../grammar/source.ts';
import type { ModuleHost } from '../types.ts';
import type { Session } from './session.ts';

export type Declaration =
  | { readonly kind: 'block'; readonly decl: BlockDecl; readonly module: Module }
  | { readonly kind: 'fn'; readonly decl: FnDecl; readonly module: Module }
  | { readonly kind: 'objective'; readonly decl: ObjectiveDecl; readonly module: Module }
  | ModelDeclaration;

export interface ModelDeclaration {
  readonly kind: 'model';
  readonly decl: ModelDecl;
  readonly module: Module;
}

export interface Module {
  readonly file: SourceFile;
  readonly program: Program;
  /** Name of the bundled package this is, if it is one. */
  readonly bundled?: string;
  /** Blocks, functions and objectives by name. */
  readonly declarations: Map<string, Declaration>;
  readonly models: Map<string, ModelDeclaration>;
  readonly recipes: Map<string, TrainDecl>;
  readonly maps: Map<string, NamesDecl>;
  /** Imported names; a name whose import failed is bound to nothing, so that its uses stay silent. */
  readonly imports: Map<string, Declaration | undefined>;
  /** The same for models. */
  readonly importedModels: Map<string, Declaration | undefined>;
  /**
   * Declarations that syntax errors touch: what they lack is not known, so nothing is said about their uses.
   */
  readonly damaged: ReadonlySet<Item>;
  /** Any syntax error: names may have been lost. */
  readonly broken: boolean;
  readonly loader: Loader;
}

/** The `forward` of a block, if it has one. */
export function forwardOf(decl: BlockDecl): ForwardMember | undefined {
  return decl.members.find((m) => m.kind === 'forward');
}

/** An entry that a block declares beside its `forward`. */
export function entryOf(decl: BlockDecl, name: string): EntryMember | undefined {
  return decl.members.filter((m) => m.kind === 'entry').find((entry) => entry.name.text === name);
}

/** The files and packages of one check, each read once. */
export interface Loader {
  readonly host: ModuleHost;
  readonly session: Session;
  /** A file by path; undefined when it cannot be read. */
  loadFile(path: string): Module | undefined;
  /** A bundled package by name; undefined if there is none. */
  loadBundled(name: string): Module | undefined;
  /** Every module read so far. */
  modules(): Module[];
}
