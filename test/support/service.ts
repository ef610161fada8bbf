/** Questions to the language service about texts in which `‸` marks the place that is asked about. */
import { createService, type LanguageService } from '../../editor/service/index.ts';
import { memoryHost } from '../errors/report.ts';

export const mini = `import clip { CLIP, VisionTransformer, TextTransformer }

model "mini" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 48),
  text = TextTransformer(context = 16, vocab = 4096, width = 64, layers = 1, embed = 48)
)
`;

export const encoder = `import nn { Linear, LayerNorm }

# Two layers and a norm.
block Encoder(width: int, hidden: int = 4 * width) {
  let doubled = 2 * hidden
  norm: LayerNorm(width)
  up: Linear(width, hidden)
  down: Linear(hidden, width)

  forward(x: [B, width, side, side]) -> [B, T, width] {
    let flat = rearrange(x, [b, c, h, w] -> [b, (h w), c])
    let wide = flat |> norm |> up
    return flat + down(gelu(wide))
  }
}

block Net(side: int = 6, encoder: block) {
  body: encoder
  forward(images: [B, 3, side, side]) = { out = body(images) }
}
`;

/** A service with one open document, and the place of the mark in it. */
export function opened(marked: string, others: Readonly<Record<string, string>> = {}) {
  const offset = marked.indexOf('‸');
  const text = marked.replace('‸', '');
  const service = createService(memoryHost(others));
  service.open('main.zoo', text);
  return { service, text, offset };
}

export function labels(marked: string, others: Readonly<Record<string, string>> = {}): string[] {
  const { service, offset } = opened(marked, others);
  return service.completion('main.zoo', offset).items.map(({ label }) => label);
}

export function hover(marked: string): string | undefined {
  const { service, offset } = opened(marked);
  return service.hover('main.zoo', offset)?.contents;
}

/** The text with edits made, the last place first. */
export function edited(text: string, edits: readonly { start: number; end: number; text: string }[]): string {
  return [...edits]
    .sort((a, b) => b.start - a.start)
    .reduce((t, edit) => t.slice(0, edit.start) + edit.text + t.slice(edit.end), text);
}

/** The words at locations of one file. */
export function words(
  service: LanguageService,
  path: string,
  ranges: readonly { start: number; end: number }[],
) {
  const text = service.text(path)!;
  return ranges.map(({ start, end }) => text.slice(start, end));
}
