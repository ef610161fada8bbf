/** Z5xx: recipes. */
import type { Code } from '../../../grammar/codes.ts';
import { once, pairs, recipe, tiny, trainCall } from '../fixtures.ts';
import type { Example } from '../types.ts';

const program = (wrong: string, mended: string): Example => ({
  wrong: recipe(`data = csv("pairs.csv")\n${wrong}`),
  mended: recipe(`data = csv("pairs.csv")\n${mended}`),
  files: tiny,
});
const source = (wrong: string, mended: string): Example => ({
  call: trainCall,
  files: { ...pairs, 'r.zoo': once(wrong) },
  mendedFiles: { 'r.zoo': once(mended) },
});
const named = (term: string) => `block T {
  param w: [4] = ones
  forward(x: [B, 4]) -> [B, 4] = x * w
}
objective o(out: [B, D]) -> { loss: [], ${term}: [] } {
  let l = mean(gather(out))
  return { loss = l, ${term} = l }
}
model "t" = T()
train "r" of "t" { data = tensors("x.safetensors") batch = 4 objective = o }
`;

const textBlock = (read: string) => `import nn { Embedding }
import "./m.zoo" { "m" }
block Words(context: int = 8, embed: int = 16) {
  words: Embedding(520, embed)
  forward(tokens: i32[B, context]) -> [B, embed] = ${read}
}
model "t" = "m" with text = Words()
train "r" of "t" { data = csv("pairs.csv") batch = 4 lengths = [4] }
`;

export const recipes = {
  Z501: program('batch = 4\nlearning_rate = 1e-3', 'batch = 4\noptimizer = adamw(lr = 1e-3)'),
  Z502: program('batch = 0.5', 'batch = 4'),
  Z503: program(
    'batch = 4\noptimizer = sgd(momentum = 0.9)',
    'batch = 4\noptimizer = sgd(lr = 0.1, momentum = 0.9)',
  ),
  Z504: program('batch = 4\nfreeze "resblocks.*"', 'batch = 4\nfreeze "**.resblocks.**"'),
  Z505: program('batch = 4\nbatch = 8', 'batch = 8'),
  Z506: { wrong: named('step'), mended: named('part') },
  Z507: program(
    'batch = 4\nschedule = cosine(warmup = 20 steps, total = 8 steps)',
    'batch = 4\nschedule = cosine(warmup = 2 steps, total = 8 steps)',
  ),
  Z508: program('batch = 1', 'batch = 2'),
  Z509: {
    wrong: textBlock('mean(words(tokens), axis = 1)'),
    mended: textBlock('take(words(tokens), argmax(tokens, axis = 1), axis = 1)'),
    files: tiny,
  },
  Z520: source('csv("pairs.csv", augment = [blur(2)])', 'csv("pairs.csv", augment = [shift(2)])'),
  Z521: source('csv("pairs.csv", txt = "title")', 'csv("pairs.csv", text = "title")'),
  Z522: source('csv("pairs.csv", separator = "tab")', 'csv("pairs.csv", separator = ",")'),
  Z524: {
    told: 'A program of the library goes on from a state that another source of data left, such as a table where shards were. Give the state of the same run.',
  },
} as const satisfies Partial<Record<Code, Example>>;
