/** Places of a model that a person points at, and which traced nodes they mean. */
import type { BlockNode } from '../../../compiler/model/types.ts';
import type { Span } from '../../../grammar/source.ts';

/**
 * A block by its number (`TreeBlock.id`), with all below it; a path with all below it; or a range of a source.
 *
 * A range means what is written in it, and all that blocks compute which are declared in it; where that is nothing, the
 * innermost block whose declaration it lies in. UTF-16 units of the file's text.
 */
export type Place =
  | { readonly block: number }
  | { readonly path: string }
  | { readonly file: string; readonly start: number; readonly end: number };

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
    const declared = this.#declared((span) => span.start >= place.start && span.end <= place.end, place.file);
    if (declared.length > 0 || all.some(written)) {
      const below = this.#below(declared);
      return (node) => written(node) || below(node);
    }
    const around = this.#declared((span) => span.start <= place.start && span.end >= place.end, place.file);
    const innermost = Math.min(...around.map((id) => lengthOf(this.#blocks[id]!.span)));
    return this.#below(around.filter((id) => lengthOf(this.#blocks[id]!.span) === innermost));
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

function overlaps(
  span: Span,
  place: { readonly file: string; readonly start: number; readonly end: number },
) {
  return (
    span.file.path === place.file &&
    span.start < Math.max(place.end, place.start + 1) &&
    place.start < span.end
  );
}
