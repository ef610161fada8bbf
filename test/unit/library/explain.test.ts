/** What an explorer of models is told: costs by block, origins of steps, memory over the steps, parts of graphs. */
import { describe, expect, it } from 'vitest';
import { entryFlops } from '../../../compiler/flops.ts';
import { lavapipeProfile } from '../../../compiler/profile.ts';
import { NullDevice } from '../../../runtime/null/device.ts';
import { WebGpuDevice } from '../../../runtime/webgpu/device.ts';
import { checkClock } from '../../../zoo/api/explain/times.ts';
import * as zooc from '../../../zoo/api/node.ts';
import { tinyZoo } from '../../support/models/tiny-zoo.ts';

const text = `import nn { Linear }

block Mlp(width: int) {
  fc: Linear(width, 2 * width)
  act: relu
  out: Linear(2 * width, width, bias = false)
  forward(x: [B, width]) -> [B, width] = out(act(fc(x) * 2.0))
}

block Net(width: int = 4) {
  mlp: Mlp(width)
  spare: Linear(width, width)
  forward(x: [B, width]) -> [B, width] = mlp(mlp(x) + x)
  entry other(x: [B, width]) -> { y: [B, width] } = { y = spare(x) }
}

model "net" = Net()
`;

const net = zooc.model(text);

function* below<T extends zooc.TreeBlock>(block: T): Generator<T> {
  yield block;
  for (const child of block.children) yield* below(child as T);
}

const rowsOf = (tree: zooc.CostedBlock) =>
  [...below(tree)].map(({ path, flops, activations }) => [path, flops, activations.map((a) => a.shape)]);

/** The place of a piece of the text, which stands there once. */
function range(piece: string): zooc.Place {
  const start = text.indexOf(piece);
  expect(text.indexOf(piece, start + 1)).toBe(-1);
  return { file: 'text.zoo', start, end: start + piece.length };
}

describe('the costs of blocks', () => {
  it('are those of each call, in a block and below it', () => {
    // The bias of a Linear is an inline block of its own, with the path of the Linear. Of 3 rows and a call: product 2 · 3 · 4 · 8 and bias 3 · 8; doubled 3 · 8; relu 3 · 8; product 2 · 3 · 8 · 4.
    const [fc, act, out] = [2 * (192 + 24), 2 * 24, 2 * 192];
    const mlp = fc + act + out + 2 * 24;
    expect(rowsOf(net.tree({ entry: 'forward', batch: 3 }))).toEqual([
      ['', mlp + 12, [[3, 4]]],
      [
        'mlp',
        mlp,
        [
          [3, 4],
          [3, 4],
        ],
      ],
      [
        'mlp.fc',
        fc,
        [
          [3, 8],
          [3, 8],
        ],
      ],
      [
        'mlp.fc',
        2 * 24,
        [
          [3, 8],
          [3, 8],
        ],
      ],
      [
        'mlp.act',
        act,
        [
          [3, 8],
          [3, 8],
        ],
      ],
      [
        'mlp.out',
        out,
        [
          [3, 4],
          [3, 4],
        ],
      ],
      ['spare', 0, []],
      ['spare', 0, []],
    ]);
  });

  it('are none of blocks that an entry leaves out', () => {
    expect(rowsOf(net.tree({ entry: 'other' })).filter(([, flops]) => flops !== 0)).toEqual([
      ['', 36, [[1, 4]]],
      ['spare', 36, [[1, 4]]],
      ['spare', 4, [[1, 4]]],
    ]);
    const tiny = zooc.model(tinyZoo).tree({ entry: 'encode_image', batch: 2 });
    const [vision, words] = tiny.children;
    // The text tower is inline, so its path is that of the model.
    expect([words!.path, words!.flops, words!.activations]).toEqual(['', 0, []]);
    expect(vision!.activations).toEqual([{ dtype: 'f32', shape: [2, 16] }]);
  });

  it('stand beside the numbers of blocks, parents first', () => {
    const plain = [...below(net.tree())];
    expect(plain.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(plain.every((block) => !('flops' in block))).toBe(true);
  });

  it('add up to the entry, and for ViT-B/32 to what is published', () => {
    const model = zooc.model('ViT-B/32');
    const tree = model.tree({ entry: 'encode_image', batch: 2 });
    expect(tree.flops).toBe(entryFlops(model.model, 'encode_image', 2));
    for (const { flops, children } of below(tree))
      expect(flops).toBeGreaterThanOrEqual(children.reduce((sum, child) => sum + child.flops, 0));
    const block = [...below(tree)].find(({ path }) => path === 'visual.transformer.resblocks.3')!;
    expect(block.activations).toEqual([{ dtype: 'f32', shape: [2, 50, 768] }]);
    // Products alone: patches, 12 blocks of qkv, scores and their use, projection, two layers; the last projection.
    const [rows, width] = [50, 768];
    const layer = 2 * rows * width * (3 + 1 + 8) * width + 4 * rows * rows * width;
    const products = 2 * 49 * 3072 * width + 12 * layer + 2 * width * 512;
    // open_clip's docs/model_profile.csv has 8.82 GFLOPs, which PyTorch counted: products alone.
    expect((products / 1e9).toFixed(2)).toBe('8.82');
    // All else, norms and activations, is less than a hundredth.
    expect(tree.flops / 2 / products).toBeGreaterThan(1);
    expect(tree.flops / 2 / products).toBeLessThan(1.01);
  });

  it('are refused for entries and batches that there are not', () => {
    expect(() => net.tree({ entry: 'nothing' })).toThrow(/net has no entry nothing/);
    expect(() => net.tree({ entry: 'forward', batch: 0 })).toThrow(/batch 0/);
  });
});

describe('the graph of a block', () => {
  it('has its nodes and edges, and what crosses its border', () => {
    const graph = net.trace({ entry: 'forward', batch: 3 });
    const { nodes, edges, inputs, outputs } = graph.within({ path: 'mlp.fc' });
    const [w, product, bias, sum, again, sumAgain] = nodes.map(({ id }) => id);
    expect(nodes.map(({ op, dtype, shape, path }) => [op, dtype, shape, path])).toEqual([
      ['param', 'f32', [8, 4], 'mlp.fc'],
      ['matmul', 'f32', [3, 8], 'mlp.fc'],
      ['param', 'f32', [8], 'mlp.fc'],
      ['add', 'f32', [3, 8], 'mlp.fc'],
      ['matmul', 'f32', [3, 8], 'mlp.fc'],
      ['add', 'f32', [3, 8], 'mlp.fc'],
    ]);
    expect(nodes[0]!.attributes).toMatchObject({ name: 'mlp.fc.weight' });
    expect(edges).toEqual([
      { from: w, to: product, input: 1 },
      { from: product, to: sum, input: 0 },
      { from: bias, to: sum, input: 1 },
      { from: w, to: again, input: 1 },
      { from: again, to: sumAgain, input: 0 },
      { from: bias, to: sumAgain, input: 1 },
    ]);
    expect(inputs.map(({ op, path }) => [op, path])).toEqual([
      ['input', ''],
      ['add', ''],
    ]);
    expect(outputs.map(({ id }) => id)).toEqual([sum, sumAgain]);
  });

  it('is the whole graph without a place', () => {
    const graph = net.trace({ entry: 'forward', batch: 3 });
    const { nodes, edges, inputs, outputs } = graph.within();
    expect(nodes).toEqual(graph.nodes);
    expect(edges).toHaveLength(graph.nodes.reduce((sum, node) => sum + node.inputs.length, 0));
    expect([inputs.length, outputs.map(({ id }) => id)]).toEqual([0, graph.outputs.map((o) => o.node)]);
  });
});

const origins = (step: zooc.StepInfo) => step.origins.map(({ op, path }) => `${op} ${path}`).sort();

describe('an explained plan', () => {
  const explained = net.explain({ entry: 'forward', batch: 3 });

  it('is the plan that compile gives, to the byte', () => {
    const tiny = zooc.model(tinyZoo);
    const requests: zooc.CompileOptions[] = [
      { entry: 'forward', batch: 2 },
      { entry: 'forward', batch: 2, profile: 'cpu' },
      { entry: 'loss', batch: 2, gradients: true, mode: 'train' },
      { entry: 'loss', batch: 2, gradients: true, precision: 'mixed' },
    ];
    for (const request of requests)
      expect(JSON.stringify(tiny.explain(request).plan)).toBe(JSON.stringify(tiny.compile(request)));
  });

  it('says of a fused kernel all that it does', () => {
    const { steps, plan } = explained;
    const first = ['add mlp.fc', 'matmul mlp.fc', 'mul mlp', 'relu mlp'];
    expect(steps.map(origins)).toEqual([first, ['add ', 'matmul mlp.out'], first, ['matmul mlp.out']]);
    expect(steps.map(({ index, label, pipeline }) => ({ index, label, pipeline }))).toEqual(
      plan.steps.map(({ label, pipeline }, index) => ({ index, label, pipeline })),
    );
    expect(steps.some(({ backward }) => backward)).toBe(false);
  });

  it('leads from a place to steps, and from a step to places', () => {
    const at = (place: zooc.Place) => explained.stepsOf(place).map(({ index }) => index);
    expect(at({ path: 'mlp.out' })).toEqual([1, 3]);
    expect(at({ path: 'mlp.act' })).toEqual([0, 2]);
    expect(at({ path: 'spare' })).toEqual([]);
    expect(at({ block: 0 })).toEqual([0, 1, 2, 3]);
    const block = [...below(net.tree())].find(({ path }) => path === 'mlp.out')!;
    expect(at({ block: block.id })).toEqual([1, 3]);
    // Written there; declared there; a cursor in a declaration; nowhere.
    expect(at(range('mlp(x) + x'))).toEqual([1]);
    expect(at(range('out: Linear(2 * width, width, bias = false)'))).toEqual([1, 3]);
    expect(at(range('2 * width, width, bias'))).toEqual([1, 3]);
    expect(at(range('import nn'))).toEqual([]);
    const blocks = (place: zooc.Place) => explained.blocksOf(place);
    expect([blocks({ block: 3 }), blocks({ path: 'mlp.fc' })]).toEqual([[3], [2]]);
    expect(blocks(range('mlp(x) + x'))).toEqual([0]);
    expect(blocks(range('out: Linear(2 * width, width, bias = false)'))).toEqual([block.id]);
    expect(blocks(range('2 * width, width, bias'))).toEqual([block.id]);
    expect(blocks(range('act: relu\n  out: Linear(2 * width, width, bias = false)'))).toEqual([4, block.id]);
    // A sum in the text of Mlp, in the body of that block.
    expect(blocks(range('fc(x) * 2.0'))).toEqual([1]);
    expect(blocks(range('import nn'))).toEqual([]);
    const written = explained.steps[0]!.origins.flatMap(({ span }) =>
      span?.file.path === 'text.zoo' ? [text.slice(span.start, span.end)] : [],
    );
    expect(written.sort()).toEqual(['act(fc(x) * 2.0)', 'fc(x) * 2.0']);
  });

  it('marks what is of a gradient with the node that it is of', () => {
    for (const precision of ['f32', 'mixed'] as const) {
      const model = zooc.model(tinyZoo);
      const { steps, setup, traced, optimized } = model.explain({
        entry: 'loss',
        batch: 2,
        gradients: true,
        mode: 'train',
        precision,
      });
      expect([...steps, ...setup].filter((step) => step.origins.length === 0)).toEqual([]);
      const backward = steps.map((step) => step.backward);
      const first = backward.indexOf(true);
      expect(first).toBeGreaterThan(0);
      const norm = steps.find(({ label }) => /ln_pre \(grad\)/.test(label))!;
      expect(norm.origins.find(({ path }) => path === 'visual.ln_pre')).toMatchObject({
        op: 'layer_norm',
        backward: true,
      });
      // The last thing that the loss does is forward, and it is found from both graphs.
      const loss = traced.outputs.find(({ name }) => name === 'loss')!.node;
      const made = optimized.nodes.filter((node) => node.origins.some((o) => o.node === loss));
      expect(made.length).toBeGreaterThan(0);
    }
  });

  it('has a step for all of the text that computes, once or twice', () => {
    const cases: [zooc.ZooModel, string][] = [
      [zooc.model('ViT-B/32'), 'forward'],
      [zooc.model('RN50'), 'encode_image'],
      // Over one rank, gathered features are the features: passes find products of both alike.
      [zooc.model(tinyZoo), 'loss'],
    ];
    for (const [model, entry] of cases) {
      const { traced, steps, setup } = model.explain({ entry, batch: 2 });
      const done = new Set([...steps, ...setup].flatMap((step) => step.origins.map((o) => o.node)));
      expect(traced.nodes.filter(({ id, flops }) => flops > 0 && !done.has(id))).toEqual([]);
      expect(steps.some(({ backward }) => backward)).toBe(false);
    }
  });
});

describe('memory over the steps', () => {
  const cases: [string, zooc.CompileOptions][] = [
    ['ViT-B/32', { entry: 'encode_image', batch: 2 }],
    ['RN50', { entry: 'encode_image', batch: 1, profile: 'cpu' }],
  ];
  for (const [name, options] of cases)
    it(`of ${name} keeps within the workspace, and nothing alive lies on another`, () => {
      const { plan, memory } = zooc.model(name).explain(options);
      const { live, ranges } = memory;
      expect(live).toHaveLength(plan.steps.length);
      expect(Math.max(...live)).toBe(plan.memory.workspaceLowerBound);
      expect(Math.max(...live)).toBeLessThanOrEqual(memory.workspace);
      expect(memory.workspace).toBe(plan.memory.workspace);
      const used = ranges.filter(({ kind }) => kind === 'workspace');
      for (const [i, a] of used.entries()) {
        expect(a.offset + a.bytes).toBeLessThanOrEqual(plan.buffers[a.buffer]!.bytes);
        expect(plan.buffers[a.buffer]!.role).toBe('workspace');
        for (const b of used.slice(0, i)) {
          const apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
          const never = a.firstStep! > b.lastStep! || b.firstStep! > a.lastStep!;
          expect(apart || never || a.buffer !== b.buffer).toBe(true);
        }
      }
      const held = ranges.filter(({ kind }) => kind === 'weight').reduce((sum, { bytes }) => sum + bytes, 0);
      expect(held).toBe(memory.weights);
    });

  it('names what lies there, from when to when', () => {
    const { memory, optimized } = net.explain({ entry: 'forward', batch: 3 });
    const row = ({ name, kind, firstStep, lastStep }: zooc.MemoryRange) => [name, kind, firstStep, lastStep];
    expect(memory.ranges.filter(({ kind }) => kind !== 'weight').map(row)).toEqual([
      ['x', 'input', 0, 1],
      ['%3 matmul', 'workspace', 0, 1],
      ['%5 matmul', 'workspace', 1, 2],
      ['%6 matmul', 'workspace', 2, 3],
      ['out', 'output', 3, 3],
    ]);
    const second = memory.ranges.find(({ name }) => name === '%5 matmul')!;
    expect(optimized.nodes[second.node!]).toMatchObject({ op: 'matmul', path: 'mlp.out', shape: [3, 4] });
    // 3 · 4 numbers in, as many out; each alignment is 256 bytes.
    expect([memory.inputs, memory.outputs, memory.live]).toEqual([48, 48, [256, 512, 512, 256]]);
  });
});

describe('times by step', () => {
  it('are refused in words where a device has no clock', async () => {
    const without = { features: new Set(), addEventListener() {}, lost: new Promise(() => {}) };
    const device = new WebGpuDevice(without as unknown as GPUDevice, lavapipeProfile);
    await expect(checkClock(device)).rejects.toThrow(/^Z603: steps cannot be timed: .* has no timestamps$/);
    await expect(checkClock(new NullDevice())).rejects.toThrow(/^Z603: .* runs nothing that could be timed$/);
  });
});
