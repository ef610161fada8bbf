/**
 * The join plan: which pairs of nodes one kernel makes, and that a pair so joined means what its nodes mean.
 *
 * Every kind has a graph where it applies and graphs that differ from it in one point, where it must not. The
 * reference executes both the graph and the plan; a plan with a join that no rule allows shows up as other
 * numbers. Long because it is a table of all kinds: each needs its graph, and `tsc` asks for it.
 */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import type { Builder } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { executeReference, type Feeds } from '../../../compiler/graph/reference.ts';
import { type Graph, numericShape, sizeOf, type VerifiedGraph } from '../../../compiler/graph/types.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import { executeJoined } from '../../../compiler/joins/execute.ts';
import { planJoins } from '../../../compiler/joins/plan.ts';
import { printJoins } from '../../../compiler/joins/print.ts';
import { joinKinds } from '../../../compiler/joins/rules.ts';
import type { Join, JoinKind, VerifiedJoins } from '../../../compiler/joins/types.ts';
import { verifyJoins } from '../../../compiler/joins/verify.ts';
import { lowerGraph } from '../../../compiler/kernels/lowering/lower.ts';
import { Storages } from '../../../compiler/kernels/text/view.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { appleMatrixProfile, nvidiaProfile } from '../../../compiler/profiles-matrix.ts';
import { randomNumbers } from '../../support/random.ts';

const eps = 1e-5;

function input(b: Builder, name: string, ...shape: number[]): number {
  return b.add('input', [], { name, dtype: 'f32', shape });
}

/** A graph whose outputs are the nodes that `make` gives, by name. */
function graphOf(make: (b: Builder) => Readonly<Record<string, number>>): VerifiedGraph {
  const b = createBuilder();
  return verify(b.finish(Object.entries(make(b)).map(([name, node]) => ({ name, node }))));
}

function kindsIn(graph: VerifiedGraph, profile = lavapipeProfile): JoinKind[] {
  return planJoins(graph, profile).joins.map(({ kind }) => kind);
}

function feedsOf(graph: Graph): Feeds {
  const next = randomNumbers(7);
  const inputs = new Map<string, RefTensor>();
  for (const node of graph.nodes) {
    if (node.op !== 'input') continue;
    const shape = numericShape(node.type);
    inputs.set(node.attrs.name, { shape, data: Float64Array.from({ length: sizeOf(shape) }, next) });
  }
  return { inputs, params: new Map() };
}

/** Largest distance between what the graph and what the plan computes, over all outputs. */
function distance(graph: VerifiedGraph, plan: VerifiedJoins): number {
  const feeds = feedsOf(graph);
  const [plain, joined] = [executeReference(graph, feeds), executeJoined(graph, plan, feeds)];
  return Math.max(
    ...[...plain].flatMap(([name, { data }]) =>
      [...data].map((v, i) => Math.abs(v - joined.get(name)!.data[i]!)),
    ),
  );
}

/** Gradients of layer norm where dy also feeds `more`, given (dy, x). */
function normGradients(more: (b: Builder, dy: number, x: number) => Readonly<Record<string, number>>) {
  return graphOf((b) => {
    const [x, weight, dy] = [input(b, 'x', 6, 8), input(b, 'w', 8), input(b, 'dy', 6, 8)];
    return {
      dx: b.add('layer_norm_grad', [x, weight, dy], { eps }),
      dw: b.add('layer_norm_grad_weight', [x, dy], { eps }),
      ...more(b, dy, x),
    };
  });
}

const sum = (b: Builder, x: number, axes: readonly number[], keep = false) =>
  b.add('sum', [x], { axes, keep });
/** The weight's gradient of a linear layer over [2, 3, 8] to [2, 3, 4], and behind it what `make` sums of dy. */
function linearGradients(make: (b: Builder, dy: number) => number, transposeA = true) {
  return graphOf((b) => {
    const [x, dy] = [input(b, 'x', 2, 3, 8), input(b, 'dy', 2, 3, 4)];
    const rows = (id: number, width: number) => b.add('reshape', [id], { shape: [6, width] });
    const left = transposeA ? rows(dy, 4) : b.add('transpose', [rows(dy, 4)], { perm: [1, 0] });
    const dw = b.add('matmul', [left, rows(x, 8)], { transposeA, transposeB: false });
    return { dw, db: make(b, dy) };
  });
}
/** A product that is an output, and what `make` makes of it. */
function activated(make: (b: Builder, h: number) => Readonly<Record<string, number>>) {
  return graphOf((b) => {
    const operands = [input(b, 'a', 5, 16), input(b, 'b', 16, 12)];
    const h = b.add('matmul', operands, { transposeA: false, transposeB: false });
    return { h, ...make(b, h) };
  });
}
/** Both gradients of a product x wᵀ from dy, and what `make` makes of that of x, which is made first. */
function productGradients(make: (b: Builder, dx: number) => Readonly<Record<string, number>>) {
  return graphOf((b) => {
    const [x, w, dy] = [input(b, 'x', 2, 3, 8), input(b, 'w', 12, 8), input(b, 'dy', 2, 3, 12)];
    const dx = b.add('matmul', [dy, w], { transposeA: false, transposeB: false });
    const flat = (id: number, width: number) => b.add('reshape', [id], { shape: [6, width] });
    const dw = b.add('matmul', [flat(dy, 12), flat(x, 8)], { transposeA: true, transposeB: false });
    return { ...make(b, dx), dw, db: sum(b, dy, [0, 1]) };
  });
}
const heads = (b: Builder) =>
  ['q', 'k', 'v'].map((name) => input(b, name, 2, 2, 4, 8)) as [number, number, number];

/** Gradients of attention over halves, as NVIDIA's matrices make them at once; of q or not, of so many tokens. */
function headGradients(ofQuery: boolean, tokens = 4, dtype: 'f16' | 'f32' = 'f16') {
  return graphOf((b) => {
    const stored = (name: string, ...shape: number[]) =>
      b.add('cast', [input(b, name, ...shape)], { to: dtype });
    const rows = ['q', 'k', 'v', 'dout', 'out'].map((name) => stored(name, 1, 2, tokens, 8));
    const [q, k, v, dout, out] = rows as [number, number, number, number, number];
    const inputs = [q, k, v, dout, input(b, 'lse', 1, 2, tokens), out];
    const attrs = { causal: true, scale: 0.5 };
    const full = (id: number) => b.add('cast', [id], { to: 'f32' });
    return {
      ...(ofQuery ? { dq: full(b.add('attention_grad_q', inputs, attrs)) } : {}),
      dk: full(b.add('attention_grad_k', inputs, attrs)),
      dv: full(b.add('attention_grad_v', inputs, attrs)),
    };
  });
}

/** One graph for each kind, in which it applies. */
const applies: Readonly<Record<JoinKind, VerifiedGraph>> = {
  epilogue: graphOf((b) => {
    const [x, y] = [input(b, 'x', 4, 8), input(b, 'y', 4, 8)];
    return { z: b.add('add', [b.add('softmax', [x], {}), y], {}) };
  }),
  'row-sum': graphOf((b) => ({
    z: sum(b, b.add('mul', [input(b, 'x', 4, 8), input(b, 'y', 4, 8)], {}), [1]),
  })),
  'log-sum-exp': graphOf((b) => {
    const [q, k, v] = heads(b);
    const attrs = { causal: true, scale: 0.5 };
    return { out: b.add('attention', [q, k, v], attrs), lse: b.add('attention_lse', [q, k], attrs) };
  }),
  'row-moments': graphOf((b) => {
    const product = b.add('matmul', [input(b, 'a', 5, 16), input(b, 'b', 16, 128)], {
      transposeA: false,
      transposeB: false,
    });
    return { product, moments: b.add('group_moments', [product], {}) };
  }),
  'key-gradient': headGradients(true),
  'value-gradient': headGradients(false),
  'weight-gradient': normGradients(() => ({})),
  'left-sum': linearGradients((b, dy) => sum(b, dy, [0, 1])),
  'second-result': activated((b, h) => ({ act: b.add('sigmoid', [h], {}) })),
  beside: productGradients((_b, dx) => ({ dx })),
  'bias-gradient': normGradients((b, dy) => ({ db: sum(b, dy, [0]) })),
};

/** The profile with which a kind is planned; software adapters sum columns by themselves, and have no matrices. */
const profileOf = (kind: JoinKind) => {
  if (/^(key|value)-/.test(kind)) return nvidiaProfile;
  return kind === 'left-sum' || kind === 'second-result' || kind === 'beside'
    ? discreteProfile
    : lavapipeProfile;
};

describe('a join', () => {
  for (const kind of joinKinds)
    it(`of kind ${kind} is planned where it applies, and means what its nodes mean`, () => {
      const graph = applies[kind];
      const plan = planJoins(graph, profileOf(kind));
      expect(plan.joins.map((join) => join.kind)).toContain(kind);
      expect(distance(graph, plan)).toBeLessThan(1e-13);
    });

  it('of gradients of attention is one of all where a workgroup holds a head, else of keys and values', () => {
    const kinds = (graph: VerifiedGraph, profile = nvidiaProfile) =>
      kindsIn(graph, profile).filter((kind) => kind.endsWith('-gradient'));
    const both = ['key-gradient', 'value-gradient'];
    expect(kinds(headGradients(true))).toEqual(both);
    expect(kinds(headGradients(true, 77))).toEqual(both);
    expect(kinds(headGradients(true, 197))).toEqual(['value-gradient']);
    expect(kinds(headGradients(false))).toEqual(['value-gradient']);
    expect(kinds(headGradients(true, 4, 'f32'))).toEqual([]);
    for (const profile of [discreteProfile, lavapipeProfile])
      expect(kinds(headGradients(true), profile)).toEqual([]);
  });

  it('of a product with a sum is one of all rows of the left operand, on GPUs', () => {
    expect(kindsIn(applies['left-sum'])).toEqual([]);
    const kinds = (graph: VerifiedGraph) => kindsIn(graph, discreteProfile);
    expect(kinds(applies['left-sum'])).toEqual(['left-sum']);
    expect(kinds(linearGradients((b, dy) => sum(b, dy, [0, 1], true)))).toEqual([]);
    expect(kinds(linearGradients((b, dy) => sum(b, dy, [0])))).toEqual([]);
    expect(kinds(linearGradients((b, dy) => sum(b, dy, [0, 2])))).toEqual([]);
    expect(kinds(linearGradients((b) => sum(b, input(b, 'other', 2, 3, 4), [0, 1])))).toEqual([]);
    expect(kinds(linearGradients((b, dy) => sum(b, dy, [0, 1]), false))).toEqual([]);
    // Of the same memory, but other columns.
    const folded = (b: Builder, dy: number) => sum(b, b.add('reshape', [dy], { shape: [3, 8] }), [0]);
    expect(kinds(linearGradients(folded))).toEqual([]);
  });

  it('of a product with a second result is elementwise work of its shape, not summed at once, on GPUs', () => {
    const kinds = (graph: VerifiedGraph) => kindsIn(graph, discreteProfile);
    const act = (b: Builder, h: number) => b.add('sigmoid', [h], {});
    expect(kindsIn(activated((b, h) => ({ act: act(b, h) })))).toEqual([]);
    expect(kinds(activated((b, h) => ({ act: act(b, h) })))).toEqual(['second-result']);
    expect(kinds(activated((b, h) => ({ out: b.add('softmax', [h], {}) })))).toEqual([]);
    // Through a view, which elements it reads is another matter.
    const turned = (b: Builder, h: number) => b.add('transpose', [h], { perm: [1, 0] });
    expect(kinds(activated((b, h) => ({ act: act(b, turned(b, h)) })))).toEqual([]);
    // An operand that is made later.
    const later = (b: Builder, h: number) => b.add('add', [h, b.add('softmax', [h], {})], {});
    expect(kinds(activated((b, h) => ({ out: later(b, h) })))).not.toContain('second-result');
    const squared = (b: Builder, h: number) => sum(b, b.add('mul', [h, h], {}), [1]);
    expect(kinds(activated((b, h) => ({ out: squared(b, h) })))).toEqual(['row-sum']);
  });

  it('of two products is one of the same operand, through views, whose others are there, on GPUs', () => {
    const kinds = (graph: VerifiedGraph) => kindsIn(graph, discreteProfile);
    expect(kindsIn(applies.beside)).toEqual([]);
    // What comes beside another may sum its left operand all the same.
    expect(kinds(applies.beside)).toEqual(['beside', 'left-sum']);
    const wide = { transposeA: false, transposeB: true };
    const chain = (b: Builder, dx: number) => ({ z: b.add('matmul', [dx, dx], wide) });
    expect(kinds(productGradients(chain)).filter((kind) => kind === 'beside')).toHaveLength(1);
    const apart = graphOf((b) => {
      const product = (x: string, w: string) =>
        b.add('matmul', [input(b, x, 4, 8), input(b, w, 12, 8)], wide);
      return { one: product('x', 'v'), other: product('y', 'w') };
    });
    expect(kinds(apart)).toEqual([]);
    const behind = graphOf((b) => {
      const x = input(b, 'x', 8, 8);
      const y = b.add('matmul', [x, input(b, 'w', 8, 8)], wide);
      return { z: b.add('matmul', [x, y], wide) };
    });
    expect(kinds(behind)).toEqual([]);
  });

  it('is printed as its producer, its consumer and its kind', () => {
    const graph = applies['bias-gradient'];
    expect(printJoins(graph, planJoins(graph, lavapipeProfile))).toBe(
      [
        '%3 layer_norm_grad + %4 layer_norm_grad_weight : weight-gradient',
        '%4 layer_norm_grad_weight + %5 sum : bias-gradient',
        '',
      ].join('\n'),
    );
  });

  it('saves the kernel of its consumer', () => {
    const graph = applies['row-sum'];
    const kernelsWith = (plan: VerifiedJoins) => {
      const storages = new Storages();
      const places = new Map([['z', { name: 'z', place: 'output' }] as const]);
      return lowerGraph(graph, plan, lavapipeProfile, { storages, places }).kernels.map(({ name }) => name);
    };
    const plan = planJoins(graph, lavapipeProfile);
    expect(kernelsWith(plan)).toEqual(['row_sum_vec4']);
    expect(kernelsWith(verifyJoins(graph, { ...plan, joins: [] }))).toEqual(['map', 'row_sum_vec4']);
  });
});

describe('the bias gradient of a layer norm', () => {
  it('is not any other sum of dy of rank 1', () => {
    // 8 × 8: a sum over the other axis has the same shape.
    const square = graphOf((b) => {
      const [x, weight, dy] = [input(b, 'x', 8, 8), input(b, 'w', 8), input(b, 'dy', 8, 8)];
      return {
        dx: b.add('layer_norm_grad', [x, weight, dy], { eps }),
        dw: b.add('layer_norm_grad_weight', [x, dy], { eps }),
        rows: sum(b, dy, [1]),
      };
    });
    expect(kindsIn(square)).toEqual(['weight-gradient']);
    expect(kindsIn(normGradients((b, dy) => ({ rows: sum(b, dy, [1]) })))).toEqual(['weight-gradient']);
    expect(kindsIn(normGradients((b, dy) => ({ kept: sum(b, dy, [0], true) })))).toEqual(['weight-gradient']);
  });

  it('is taken from the sum over all leading axes, whatever sums stand before it', () => {
    const graph = normGradients((b, dy) => ({
      rows: sum(b, dy, [1]),
      all: sum(b, dy, [0, 1]),
      db: sum(b, dy, [0]),
    }));
    expect(kindsIn(graph)).toEqual(['weight-gradient', 'bias-gradient']);
    expect(distance(graph, planJoins(graph, lavapipeProfile))).toBeLessThan(1e-13);
  });

  it('shows up as other numbers where a plan takes the wrong sum', () => {
    const graph = graphOf((b) => {
      const [x, weight, dy] = [input(b, 'x', 8, 8), input(b, 'w', 8), input(b, 'dy', 8, 8)];
      const dx = b.add('layer_norm_grad', [x, weight, dy], { eps });
      return { dx, dw: b.add('layer_norm_grad_weight', [x, dy], { eps }), rows: sum(b, dy, [1]) };
    });
    const plan = planJoins(graph, lavapipeProfile);
    const wrong: Join = { kind: 'bias-gradient', producer: 4, consumer: 5 };
    const broken = verifyJoins(graph, { ...plan, joins: [...plan.joins, wrong] });
    expect(distance(graph, plan)).toBeLessThan(1e-13);
    expect(distance(graph, broken)).toBeGreaterThan(0.1);
  });
});

describe('the weight gradient of a layer norm is not joined', () => {
  const gradient = (otherEps: number, swap: boolean) =>
    graphOf((b) => {
      const [x, weight, dy] = [input(b, 'x', 6, 8), input(b, 'w', 8), input(b, 'dy', 6, 8)];
      const pair = swap ? [dy, x] : [x, dy];
      return {
        dx: b.add('layer_norm_grad', [x, weight, dy], { eps }),
        dw: b.add('layer_norm_grad_weight', pair, { eps: otherEps }),
      };
    });
  it('with another epsilon', () => expect(kindsIn(gradient(1e-6, false))).toEqual([]));
  it('with dy and x in each other’s place', () => expect(kindsIn(gradient(eps, true))).toEqual([]));
  it('where dy is x, and the other gradient is of something else', () => {
    const graph = graphOf((b) => {
      const [x, weight, other] = [input(b, 'x', 6, 8), input(b, 'w', 8), input(b, 'dy', 6, 8)];
      return {
        dx: b.add('layer_norm_grad', [x, weight, x], { eps }),
        dw: b.add('layer_norm_grad_weight', [x, other], { eps }),
      };
    });
    expect(kindsIn(graph)).toEqual([]);
  });
});

describe('an epilogue is not joined', () => {
  const behindSoftmax = (make: (b: Builder, soft: number) => Readonly<Record<string, number>>) =>
    graphOf((b) => make(b, b.add('softmax', [input(b, 'x', 4, 8)], {})));

  it('where something else reads the result, or it is an output', () => {
    const twice = behindSoftmax((b, s) => ({
      a: b.add('add', [s, input(b, 'y', 4, 8)], {}),
      m: sum(b, s, [0]),
    }));
    expect(kindsIn(twice)).toEqual([]);
    expect(kindsIn(behindSoftmax((b, s) => ({ s, a: b.add('add', [s, input(b, 'y', 4, 8)], {}) })))).toEqual(
      [],
    );
  });

  it('where it is more than plain arithmetic, or its result has more elements', () => {
    expect(kindsIn(behindSoftmax((b, s) => ({ a: b.add('exp', [s], {}) })))).toEqual([]);
    expect(kindsIn(behindSoftmax((b, s) => ({ a: b.add('add', [s, input(b, 'y', 3, 4, 8)], {}) })))).toEqual(
      [],
    );
  });

  it('where an operand is made later than the result', () => {
    const graph = behindSoftmax((b, s) => ({
      a: b.add('mul', [s, b.add('exp', [input(b, 'y', 4, 8)], {})], {}),
    }));
    expect(kindsIn(graph)).toEqual([]);
  });

  it('where the device binds fewer buffers than it then needs', () => {
    const limits = { ...lavapipeProfile.limits, maxStorageBuffersPerShaderStage: 2 };
    expect(kindsIn(applies.epilogue, { ...lavapipeProfile, limits })).toEqual([]);
  });

  it('for integers', () => {
    const graph = graphOf((b) => {
      const ids = ['a', 'b', 'c'].map((name) => b.add('input', [], { name, dtype: 'i32', shape: [4, 2] }));
      const joined = b.add('concat', ids.slice(0, 2), { axis: 1 });
      const twice = b.add('concat', [ids[2]!, ids[2]!], { axis: 1 });
      return { sum: b.add('add', [joined, twice], {}) };
    });
    expect(kindsIn(graph)).toEqual([]);
  });
});

describe('a row sum is not joined', () => {
  const product = (b: Builder) => b.add('mul', [input(b, 'x', 4, 8), input(b, 'y', 4, 8)], {});
  it('over other axes than the last', () => {
    expect(kindsIn(graphOf((b) => ({ z: sum(b, product(b), [0]) })))).toEqual([]);
    expect(kindsIn(graphOf((b) => ({ z: sum(b, product(b), [0, 1]) })))).toEqual([]);
  });
  it('where an operand is repeated along an axis', () => {
    const graph = graphOf((b) => ({
      z: sum(b, b.add('mul', [input(b, 'x', 4, 8), input(b, 'y', 8)], {}), [1]),
    }));
    expect(kindsIn(graph)).toEqual([]);
  });
  it('where nothing is read: a constant in every element', () => {
    const program = { inputs: 0, instructions: [{ op: 'constant', args: [], value: -0.5 }] } as const;
    const graph = graphOf((b) => ({ z: sum(b, b.add('map', [], { program, shape: [4, 8] }), [1]) }));
    expect(kindsIn(graph)).toEqual([]);
  });
  it('where something else reads the products', () => {
    const graph = graphOf((b) => {
      const p = product(b);
      return { z: sum(b, p, [1]), columns: sum(b, p, [0]) };
    });
    expect(kindsIn(graph)).toEqual([]);
  });
});

describe('attention makes no log-sum-exp', () => {
  const other = (attrs: { causal: boolean; scale: number }, key: 'k' | 'v') =>
    graphOf((b) => {
      const [q, k, v] = heads(b);
      const out = b.add('attention', [q, k, v], { causal: false, scale: 0.5 });
      return { out, lse: b.add('attention_lse', [q, key === 'k' ? k : v], attrs) };
    });
  it('of another mask', () => expect(kindsIn(other({ causal: true, scale: 0.5 }, 'k'))).toEqual([]));
  it('of another scale', () => expect(kindsIn(other({ causal: false, scale: 0.25 }, 'k'))).toEqual([]));
  it('of other keys', () => expect(kindsIn(other({ causal: false, scale: 0.5 }, 'v'))).toEqual([]));
});

describe('a product makes no moments', () => {
  const moments = (a: number[], b: number[], dtype: 'f32' | 'i32' = 'f32') =>
    graphOf((builder) => {
      const [left, right] = [a, b].map((shape, i) =>
        builder.add('input', [], { name: `x${i}`, dtype, shape }),
      );
      const attrs = { transposeA: false, transposeB: false };
      const product = builder.add('matmul', [left!, right!], attrs);
      return { product, moments: builder.add('group_moments', [product], {}) };
    });
  it('where it is one for each of a batch', () =>
    expect(kindsIn(moments([2, 5, 16], [2, 16, 64]))).toEqual([]));
  it('by subgroup matrices', () => {
    expect(kindsIn(applies['row-moments'], appleMatrixProfile)).toEqual([]);
    expect(kindsIn(applies['row-moments'], discreteProfile)).toEqual(['row-moments']);
  });
});

describe('nodes done in parts', () => {
  it('are joined with nothing', () => {
    const limits = { ...lavapipeProfile.limits, maxStorageBufferBindingSize: 1024 };
    const graph = graphOf((b) => {
      const [x, y] = [input(b, 'x', 64, 8), input(b, 'y', 64, 8)];
      return { z: b.add('add', [b.add('softmax', [x], {}), y], {}) };
    });
    const plan = planJoins(graph, { ...lavapipeProfile, limits });
    expect(plan.joins).toEqual([]);
    expect(plan.layouts.parts.size).toBe(2);
    expect(kindsIn(graph)).toEqual(['epilogue']);
  });
});

describe('the verifier of join plans refuses', () => {
  const graph = normGradients((b, dy) => ({ db: sum(b, dy, [0]) }));
  const plan = planJoins(graph, lavapipeProfile);
  const withJoins =
    (...joins: Join[]) =>
    () =>
      verifyJoins(graph, { ...plan, joins });
  const weight: Join = { kind: 'weight-gradient', producer: 3, consumer: 4 };
  it('a node made twice', () => expect(withJoins(weight, weight)).toThrow('it is made already'));
  it('a node that has had its turn', () =>
    expect(withJoins({ kind: 'weight-gradient', producer: 4, consumer: 3 })).toThrow(
      'it has had its own turn',
    ));
  it('an unstored value that others read', () =>
    expect(withJoins({ kind: 'epilogue', producer: 3, consumer: 5 })).toThrow('is an output'));
});

describe('a model with frozen parts', () => {
  it('joins no sum of another weight’s gradient with a layer norm', () => {
    // y = x + gate repeated over the columns; out = y + norm(y) with the norm's bias frozen.
    const b = createBuilder();
    const param = (name: string, ...shape: number[]) => b.add('param', [], { name, shape, role: 'param' });
    const [x, gate] = [param('x', 8, 8), param('gate', 8, 1)];
    const y = b.add('add', [x, b.add('expand', [gate], { shape: [8, 8] })], {});
    const norm = b.add('layer_norm', [y, param('weight', 8), param('bias', 8)], { eps });
    const seed = input(b, 'seed', 8, 8);
    const loss = sum(
      b,
      b.add('mul', [b.add('mul', [b.add('add', [y, norm], {}), norm], {}), seed], {}),
      [0, 1],
    );
    const forward = b.finish([{ name: 'loss', node: loss }]);
    const graph = verify(differentiate(forward, { loss: 'loss', wrt: ['gate', 'weight'] }));
    const params = new Map<string, RefTensor>();
    const next = randomNumbers(3);
    for (const node of graph.nodes)
      if (node.op === 'param') {
        const shape = numericShape(node.type);
        params.set(node.attrs.name, { shape, data: Float64Array.from({ length: sizeOf(shape) }, next) });
      }
    const feeds = { ...feedsOf(graph), params };
    const joined = executeJoined(graph, planJoins(graph, lavapipeProfile), feeds);
    for (const [name, { data }] of executeReference(graph, feeds))
      expect(Math.max(...data.map((v, i) => Math.abs(v - joined.get(name)!.data[i]!)))).toBeLessThan(1e-12);
  });
});

describe('slices of one value', () => {
  it('are not bound apart where one joined kernel reads several', () => {
    // dy and what is added behind the gradient are slices at places where bindings may start.
    const graph = graphOf((b) => {
      const all = b.add('exp', [input(b, 'all', 2, 4, 64)], {});
      const slice = (at: number) =>
        b.add('reshape', [b.add('slice', [all], { starts: [at, 0, 0], ends: [at + 1, 4, 64] })], {
          shape: [4, 64],
        });
      const [first, second] = [slice(0), slice(1)];
      const dx = b.add('layer_norm_grad', [input(b, 'x', 4, 64), input(b, 'w', 64), first], { eps });
      return { dx: b.add('add', [dx, second], {}) };
    });
    const plan = planJoins(graph, lavapipeProfile);
    expect(plan.joins.map(({ kind }) => kind)).toContain('epilogue');
    const places = new Map([['dx', { name: 'dx', place: 'output' }] as const]);
    const { kernels } = lowerGraph(graph, plan, lavapipeProfile, { storages: new Storages(), places });
    for (const { args } of kernels) {
      const ids = args.map(({ storage }) => storage.id);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });
});
