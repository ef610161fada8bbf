/** Places of a model that a person points at, and which traced nodes they mean. */
import type { BlockNode } from '../../../compiler/model/types.ts';
import type { Span } from '../../../grammar/source.ts';

/**
 * A block by its number (`TreeBlock.id`), with all below it; a path with all below it; or a range of a source.
 *
 * A range means what is written in it, and all that blocks compute which are declared in it; where that is nothing, the
 * innermost block whose declaration it lies in. UTF-16 units of the file's text.
 */
export type Place = { readonly block: number } | { readonly path: string } | Range;

interface Range {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** Where a node of the traced graph comes from. @internal */
export interface Located {
  readonly block: number;
  readonly path: string;
  readonly span?: Span;
}

/** The blocks of a model by number, and where each subtree ends. @internal */
export class Blocks {
  readonly #blocks: readonly BlockNode[];
  /** The number behind all below each block. */
  readonly #ends: number[] = [];

  constructor(root: BlockNode) {
    const blocks: BlockNode[] = [];
    const visit = (block: BlockNode) => {
      const id = blocks.push(block) - 1;
      for (const child of block.children) visit(child);
      this.#ends[id] = blocks.length;
    };
    visit(root);
    this.#blocks = blocks;
  }

  /** Whether a node is meant by a place. */
  matcher(place: Place, all: readonly Located[]): (node: Located) => boolean {
    if ('block' in place) return this.#below([place.block]);
    if ('path' in place) {
      const { path } = place;
      if (path === '') return () => true;
      // What a function in a block's place computes has its caller's path.
      const below = this.#below(this.#where((block) => block.path === path));
      return (node) => node.path === path || node.path.startsWith(`${path}.`) || below(node);
    }
    const written = (node: Located) => node.span !== undefined && overlaps(node.span, place);
    const declared = this.#declaredIn(place);
    if (declared.length > 0 || all.some(written)) {
      const below = this.#below(declared);
      return (node) => written(node) || below(node);
    }
    return this.#below(this.#around(place));
  }

  /** Numbers of the blocks that a place means, in order; what lies in one of them is not told again. */
  meant(place: Place, all: readonly Located[]): number[] {
    if ('block' in place) return [place.block];
    if ('path' in place) return this.#outermost(this.#where(({ path }) => path === place.path));
    const written = all.filter(({ span }) => span !== undefined && overlaps(span, place));
    const found = [...this.#declaredIn(place), ...written.map(({ block }) => block)];
    return this.#outermost(found.length > 0 ? found : this.#around(place));
  }

  #declaredIn({ file, start, end }: Range): number[] {
    return this.#declared((span) => span.start >= start && span.end <= end, file);
  }

  /** The innermost blocks whose declaration a range lies in. */
  #around({ file, start, end }: Range): number[] {
    const around = this.#declared((span) => span.start <= start && span.end >= end, file);
    const innermost = Math.min(...around.map((id) => lengthOf(this.#blocks[id]!.span)));
    return around.filter((id) => lengthOf(this.#blocks[id]!.span) === innermost);
  }

  #outermost(ids: readonly number[]): number[] {
    const found: number[] = [];
    for (const id of [...new Set(ids)].sort((a, b) => a - b))
      if (found.length === 0 || id >= this.#ends[found.at(-1)!]!) found.push(id);
    return found;
  }

  #declared(fits: (span: Span) => boolean, file: string): number[] {
    return this.#where(({ span }) => span.file.path === file && fits(span));
  }

  #where(fits: (block: BlockNode) => boolean): number[] {
    return this.#blocks.flatMap((block, id) => (fits(block) ? [id] : []));
  }

  #below(ids: readonly number[]): (node: Located) => boolean {
    return ({ block }) => ids.some((id) => block >= id && block < (this.#ends[id] ?? id));
  }
}

const lengthOf = ({ start, end }: Span) => end - start;

function overlaps(span: Span, { file, start, end }: Range) {
  return span.file.path === file && span.start < Math.max(end, start + 1) && start < span.end;
}
