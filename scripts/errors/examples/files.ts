/** Z4xx: weights, and files of data. Long because it is a table: an example for every code. */
import type { Code } from '../../../grammar/codes.ts';
import { allWeights, once, pairs, picture, tiny, trainCall, zeros } from '../fixtures.ts';
import type { Example, Files } from '../types.ts';

const run = (weights: string, more = '--inputs hash --batch 1') =>
  `run m.zoo --entry encode_text --weights ${weights} ${more} --out out.safetensors --device reference`;
const weights = (name: string, content: Files[string], mended = 'init:1'): Example => ({
  call: run(name),
  mendedCall: run(mended),
  files: { ...tiny, [name]: content },
});
const classify = (picture: string) =>
  `classify m.zoo --weights init:1 --labels cat,dog ${picture} --device reference`;
/** A run over a table that is wrong, and over one that is not. */
const table = (wrong: Files[string], mended: Files[string] = pairs['pairs.csv']!): Example => ({
  call: trainCall,
  files: { ...pairs, 'pairs.csv': wrong, 'r.zoo': once() },
  mendedFiles: { 'pairs.csv': mended },
});
const data = (wrong: string, mended: string, files: Files = {}): Example => ({
  call: trainCall,
  files: { ...pairs, ...files, 'r.zoo': once(wrong) },
  mendedFiles: { 'r.zoo': once(mended) },
});
const bytes = (text: string) => () => Buffer.from(text, 'latin1');
const labelled = (value: string): string => `block T {
  param w: [8, 4] = ones
  forward(x: [B, 4]) -> [B, 8] = x @ w.T
}
model "t" = T()
objective o(out: [B, D], y: [B]) -> [] = mean(gather(mean(out, axis = 1) - y))
train "r" of "t" {
  data = csv("t.csv", inputs = { x = number(["a", "b", "c", "d"]), y = number("${value}") })
  objective = o
  batch = 2
  schedule = constant(warmup = 1 steps, total = 1 steps)
}
`;

export const files = {
  Z401: weights('w.safetensors', () => zeros({ 'visual.proj': [32, 8] })),
  Z402: {
    call: trainCall,
    mendedCall: `${trainCall} --weights init:1`,
    files: {
      ...pairs,
      'r.zoo': once().replace('of "m"', 'of "m" from "m"'),
    },
  },
  Z403: { call: run('init:one'), mendedCall: run('init:1'), files: tiny },
  Z404: {
    call: run('init:1', '--inputs in.safetensors'),
    mendedCall: run('init:1'),
    files: { ...tiny, 'in.safetensors': () => zeros({ tokens: [1, 8] }) },
  },
  Z405: {
    call: classify('cat.jpg'),
    mendedCall: classify('cat.bmp'),
    files: { ...tiny, 'cat.jpg': bytes('no picture'), 'cat.bmp': () => picture() },
  },
  Z410: { call: run('nowhere.safetensors'), mendedCall: run('init:1'), files: tiny },
  Z411: weights('w.safetensors', () => zeros({ 'visual.proj': [32, 16] }).slice(0, -8)),
  Z412: data('image_folder(".", names = "names.txt")', 'csv("pairs.csv")', { 'names.txt': '\n' }),
  Z413: {
    call: run('init:1').replace('out.safetensors', 'no/such/folder/out.safetensors'),
    mendedCall: run('init:1'),
    files: tiny,
  },
  Z414: {
    call: classify('cat.bmp'),
    files: { 'm.zoo': (tiny['m.zoo'] as string).replace('520', '100'), 'cat.bmp': () => picture() },
    mendedFiles: tiny,
  },
  Z415: data('csv("pairs.csv", text = "caption")', 'csv("pairs.csv", text = "title")'),
  Z416: {
    call: trainCall,
    files: { ...pairs, 'r.zoo': once(), 'pairs.csv': 'filepath,title\na.bmp,one\nb.bmp,two\nc.bmp,three\n' },
    mendedFiles: { 'pairs.csv': pairs['pairs.csv']! },
  },
  Z417: {
    call: trainCall,
    files: {
      ...pairs,
      'r.zoo': once('tensors("b.safetensors")'),
      'b.safetensors': () => zeros({ images: [1, 2, 3, 32, 32] }),
    },
    mendedFiles: { 'r.zoo': once() },
  },
  Z418: {
    call: trainCall,
    files: { ...pairs, 'r.zoo': once().replace('batch = 2', 'batch = 8') },
    mendedFiles: { 'r.zoo': once() },
  },
  Z419: table('filepath,title\n0.bmp,cat\n1.bmp,dog\n2.bmp,\n'),
  Z420: weights('w.bin', 'these are no weights\n'),
  Z421: weights('w.pt', bytes('PK\x03\x04 and nothing behind it')),
  Z422: {
    told: 'A PyTorch checkpoint asks for something to be called that makes no tensor (`os.system`, say), or its pickle is malformed. Nothing of it is ever run. Take weights from where you trust them, as safetensors if there is a choice.',
  },
  Z423: weights(
    'model.safetensors.index.json',
    '{ "weight_map": { "visual.proj": "../other.safetensors" } }',
  ),
  Z424: {
    call: 'import w.safetensors --format hf --model m.zoo --out out.safetensors',
    mendedCall: 'import w.safetensors --format openai --model m.zoo --out out.safetensors',
    files: { ...tiny, 'w.safetensors': allWeights() },
  },
  Z425: {
    call: trainCall,
    files: { 'r.zoo': labelled('kind'), 't.csv': 'a,b,c,d,kind,dose\n1,2,3,4,high,0.5\n4,3,2,1,low,0.1\n' },
    mendedFiles: { 'r.zoo': labelled('dose') },
  },
  Z426: table('filepath,title\n0.bmp,cat\n1.bmp,dog\n2.bmp,owl\nx.bmp,elk\n'),
  Z427: table(bytes('filepath,title\n0.bmp,\xe9lan\n1.bmp,dog\n')),
  Z428: table('filepath,title\n0.bmp,"a\ncat"\n1.bmp,dog\n'),
  Z429: table('filepath,title\n0.bmp,cat\n1.bmp,cat\n'),
  Z430: {
    call: 'show package',
    files: { ...tiny, 'package/model.json': '{ "format": 1 }', 'package/model.zoo': tiny['m.zoo']! },
    mendedCall: 'show m.zoo',
  },
  Z431: {
    call: 'export init:1 --model m.zoo --format zoo --out models',
    mendedCall: 'export init:1 --model m.zoo --format zoo --out models/m',
    files: { ...tiny, 'models/notes.txt': 'mine' },
  },
  Z432: {
    call: 'export init:1 --model m.zoo --format openai --out model',
    mendedCall: 'export init:1 --model m.zoo --format zoo --out model',
    files: tiny,
  },
  Z433: {
    call: 'export w.safetensors --model m.zoo --format zoo --dtype f16 --out model',
    mendedCall: 'export w.safetensors --model m.zoo --format zoo --out model',
    files: { ...tiny, 'w.safetensors': allWeights('visual.proj', 1e6) },
  },
  Z434: {
    call: run('weights'),
    mendedCall: `${run('weights')} --set vision.act=gelu --set text.act=gelu`,
    files: {
      ...tiny,
      'weights/model.safetensors': allWeights(),
      'weights/config.json': JSON.stringify({
        model_type: 'clip',
        vision_config: { hidden_act: 'gelu', num_attention_heads: 2 },
        text_config: { hidden_act: 'gelu', num_attention_heads: 2 },
      }),
    },
  },
  Z435: {
    call: classify('cat.bmp').replace('init:1', 'w.safetensors'),
    mendedCall: classify('cat.bmp'),
    files: { ...tiny, 'cat.bmp': () => picture(), 'w.safetensors': allWeights('visual.proj', Number.NaN) },
  },
  Z436: {
    call: 'import w.onnx --format onnx --model m.zoo --out out.safetensors',
    mendedCall: 'show m.zoo',
    files: { ...tiny, 'w.onnx': bytes('\x08\x07\x3a\xff\x7f') },
  },
  Z440: {
    told: 'A folder of an adapter lacks `model.zoo`, or its file is of another version or for another model. Export it again (`zooc export --format adapter`).',
  },
  Z441: { told: 'The base of an adapter was moved since it was made. Say where it is: `--base WEIGHTS`.' },
  Z442: {
    told: 'The weights that `--base` names are not those that the adapter was made with: they have another digest. Name those that the message describes.',
  },
  Z443: {
    call: 'export init:1 --model m.zoo --format adapter --base init:1 --out adapter',
    mendedCall: 'export init:1 --model m.zoo --format zoo --out model',
    files: tiny,
  },
  Z450: {
    told: 'Of `npm start`: `npm install` was told to leave packages for development out. Run it again without.',
  },
  Z451: {
    told: 'Of `npm start`: a package of pictures has changed its form. Install the version of package-lock.json: `npm ci`.',
  },
  Z452: data('webdataset("{000..001}.tar")', 'csv("pairs.csv")'),
  Z453: {
    told: 'Some of many shards are cut off, damaged or not there; their whole samples are used, and the first ten are named with a reason. Fetch those again.',
  },
  Z454: {
    told: 'Of `zooc curate --counts`: a file of counts was made with other queries, or of shards that have changed since, or twice of the same. Count again (`--count-only`).',
  },
  Z455: {
    told: 'Of `zooc curate`: shards of several data sets use the same keys, so a list of keys cannot tell their samples apart. Curate each data set for itself, and `mix` them.',
  },
  Z460: {
    call: 'evaluate --task probe --features train.safetensors --test train.safetensors --out results.json',
    files: { ...tiny, 'train.safetensors': () => zeros({ features: [4, 2] }) },
    mendedCall: 'show m.zoo',
  },
  Z470: {
    call: 'search features --model m.zoo --weights init:1 --text cat --device reference',
    mendedCall: 'show m.zoo',
    files: { ...tiny, 'features/notes.txt': 'no index' },
  },
  Z471: {
    told: 'Of `zooc embed MODEL - --strict`: some lines of the input could not be embedded; each has its `error` in the line of output in its place.',
  },
  Z480: {
    told: '`zooc pull hf:openai` lacks the repository. A name is `hf:OWNER/REPO[@REVISION]`, `openai:MODEL` or `open_clip:ARCH/TAG`.',
  },
  Z481: {
    told: 'A hub cannot be reached, refuses, or has no such repository or file. The message says which address, and whether a token (`HF_TOKEN`) or a proxy is missing.',
  },
  Z482: {
    told: 'A file came with another size or digest than the hub announced. It was thrown away; pull again, and look at proxies if it stays so.',
  },
  Z483: {
    told: 'With `--offline` (or `ZOOC_OFFLINE=1`) only what was pulled before is used. Pull it once without: `zooc pull NAME`.',
  },
  Z484: {
    call: 'zoo show birds',
    mendedCall: 'zoo list',
    env: { ZOOC_ZOO: 'zoo' },
  },
  Z485: {
    told: 'Of `zooc push`: the folder has no model card (`README.md`), or its weights lie in shards. Push what `zooc export` wrote.',
  },
} as const satisfies Partial<Record<Code, Example>>;
