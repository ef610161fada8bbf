/**
 * When two nodes are joined, and what the joined kernel computes for the second: one rule for each kind.
 *
 * `find` is exact: it asks for everything that the kernel takes for granted (which axes, which inputs, who
 * else reads). `meaning` is what the kernel really computes, read off the kernel and not off the consumer:
 * where the two differ, the reference that executes a plan with its joins (execute.ts) differs from the one
 * that executes the graph.
 */
import { attentionSizes, attentionTile } from '../attention-tiles.ts';
import { type Node, type NodeOf, numericShape, sameShape, type TensorType } from '../graph/types.ts';
import { rootOf, summedOperand, sumsLeft, viewOps } from '../graph/views.ts';
import { momentColumns } from '../ops/group-moments.ts';
import { isKernelNode, kernelTraits, opOf } from '../ops/index.ts';
import { isArithmetic, programOf } from '../ops/map-program.ts';
import type { RefTensor } from '../ops/op.ts';
import { evaluateProgram } from '../ops/scalar.ts';
import { matrixConfig } from '../profile.ts';
import { isFlatProduct } from './layouts.ts';
import type { Surroundings } from './surroundings.ts';
import type { JoinConsumers, JoinKind } from './types.ts';

/** The values of the nodes that a meaning may use, by id. */
type ValueOf = (id: number) => RefTensor;

interface JoinRule<C extends Node = Node> {
  /** Whether the producer's own result is stored as well. */
  readonly keepsProducer: boolean;
  /** Whether the producer may itself come with another node's kernel. */
  readonly chains: boolean;
  /** The node that `producer`'s kernel can make as well. */
  find(producer: Node, around: Surroundings): C | undefined;
  /** What the kernel computes for the consumer, in f64. */
  meaning(producer: Node, consumer: Node, value: ValueOf): RefTensor;
}

const isFloat = ({ dtype }: TensorType) => dtype !== 'i32';

/** `[0, 1, ... rank - 2]`: all axes but the last. */
const leadingAxes = ({ shape }: TensorType) => shape.slice(0, -1).map((_, axis) => axis);

const epilogue: JoinRule = {
  keepsProducer: false,
  chains: false,
  find(producer, around) {
    if (!isKernelNode(producer) || !kernelTraits(producer.op).behind || around.isMadeInside(producer))
      return undefined;
    const user = around.soleReader(producer);
    const program = user && programOf(user);
    if (!user || !program || !isArithmetic(program) || !sameShape(user.type.shape, producer.type.shape))
      return undefined;
    const others = user.inputs.filter((id) => id !== producer.id);
    const floats = [producer, user, ...others.map((id) => around.node(id))].every(({ type }) =>
      isFloat(type),
    );
    // The result, and the statistics that a gradient keeps.
    const bindings = producer.inputs.length + others.length + (producer.op === 'layer_norm_grad' ? 2 : 1);
    const ready = others.every((id) => around.isReady(id, producer));
    return floats && ready && bindings <= around.mostBindings ? user : undefined;
  },
  meaning(producer, consumer, value) {
    const inputs = consumer.inputs.map(value);
    return evaluateProgram(programOf(consumer)!, inputs, numericShape(producer.type));
  },
};

const rowSum: JoinRule<JoinConsumers['row-sum']> = {
  keepsProducer: false,
  chains: false,
  find(producer, around) {
    const program = programOf(producer);
    const user = around.soleReader(producer);
    if (!program || !isArithmetic(program) || user?.op !== 'sum') return undefined;
    const { shape } = producer.type;
    const inputs = producer.inputs.map((id) => around.node(id).type);
    // A constant in every element has no operands to walk.
    const whole = inputs.length > 0 && inputs.every((type) => sameShape(type.shape, shape));
    const floats = [producer.type, user.type, ...inputs].every(isFloat);
    return whole && floats && user.attrs.axes.join() === `${shape.length - 1}` ? user : undefined;
  },
  meaning(producer, _consumer, value) {
    const shape = numericShape(producer.type);
    const lead = shape.slice(0, -1);
    return opOf('sum').reference([value(producer.id)], { axes: [lead.length], keep: false }, lead);
  },
};

const logSumExp: JoinRule<JoinConsumers['log-sum-exp']> = {
  keepsProducer: true,
  chains: false,
  find(producer, around) {
    if (producer.op !== 'attention') return undefined;
    const { attrs, inputs } = producer;
    const [q, k] = inputs;
    return around
      .readers(q, 'attention_lse')
      .find(
        (user) =>
          user.inputs[0] === q &&
          user.inputs[1] === k &&
          user.attrs.causal === attrs.causal &&
          user.attrs.scale === attrs.scale,
      );
  },
  meaning(producer, _consumer, value) {
    const { attrs, inputs, type } = producer as NodeOf<'attention'>;
    const queries = numericShape(type).slice(0, -1);
    return opOf('attention_lse').reference([value(inputs[0]), value(inputs[1])], attrs, queries);
  },
};

type AttentionGradient = 'attention_grad_q' | 'attention_grad_k' | 'attention_grad_v';

/** Another gradient of the same attention, where a kernel of subgroup matrices can make both. */
function gradientBeside<K extends AttentionGradient>(producer: Node, around: Surroundings, op: K) {
  if (producer.op !== 'attention_grad_q' && producer.op !== 'attention_grad_k') return undefined;
  const { inputs, attrs } = producer;
  const beside = <O extends AttentionGradient>(other: O) =>
    around
      .readers(inputs[3], other)
      .find(
        (user) =>
          user.inputs.join() === inputs.join() &&
          user.attrs.causal === attrs.causal &&
          user.attrs.scale === attrs.scale,
      );
  const all = producer.op === 'attention_grad_q';
  if (all && !(beside('attention_grad_k') && beside('attention_grad_v'))) return undefined;
  const sizes = attentionSizes(inputs.slice(0, 4).map((id) => around.node(id)));
  return attentionTile(around.profile, all ? 'gradients' : 'grad_kv', sizes) && beside(op);
}

const besideGradient = {
  keepsProducer: true,
  chains: false,
  meaning(_producer: Node, consumer: Node, value: ValueOf): RefTensor {
    const { attrs, inputs, op, type } = consumer as NodeOf<'attention_grad_k'> | NodeOf<'attention_grad_v'>;
    const [q, k, v, dout, lse, delta] = inputs;
    const values = [value(q), value(k), value(v), value(dout), value(lse), value(delta)] as const;
    return opOf(op).reference(values, attrs, numericShape(type));
  },
};

const keyGradient: JoinRule<JoinConsumers['key-gradient']> = {
  ...besideGradient,
  find: (producer, around) => gradientBeside(producer, around, 'attention_grad_k'),
};

const valueGradient: JoinRule<JoinConsumers['value-gradient']> = {
  ...besideGradient,
  find: (producer, around) => gradientBeside(producer, around, 'attention_grad_v'),
};

const rowMoments: JoinRule<JoinConsumers['row-moments']> = {
  keepsProducer: true,
  chains: false,
  find(producer, around) {
    if (producer.op !== 'matmul') return undefined;
    const user = around.readers(producer.id, 'group_moments')[0];
    const types = [producer.type, ...producer.inputs.slice(0, 2).map((id) => around.node(id).type)];
    const possible =
      isFlatProduct(around.graph, producer) &&
      types.every(({ dtype }) => dtype === 'f32') &&
      numericShape(producer.type).at(-1)! % momentColumns === 0 &&
      // Elements of subgroup matrices are seen by no kernel.
      matrixConfig(around.profile, 'f32') === undefined &&
      producer.inputs.length + 2 <= around.mostBindings;
    return possible ? user : undefined;
  },
  meaning(producer, _consumer, value) {
    const shape = numericShape(producer.type);
    const width = shape.at(-1)!;
    const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
    return opOf('group_moments').reference([value(producer.id)], {}, [rows, width / momentColumns, 2]);
  },
};

const weightGradient: JoinRule<JoinConsumers['weight-gradient']> = {
  keepsProducer: true,
  chains: false,
  find(producer, around) {
    if (producer.op !== 'layer_norm_grad') return undefined;
    const [x, , dy] = producer.inputs;
    return around
      .readers(dy, 'layer_norm_grad_weight')
      .find((user) => user.inputs[0] === x && user.inputs[1] === dy && user.attrs.eps === producer.attrs.eps);
  },
  meaning(producer, _consumer, value) {
    const { attrs, inputs, type } = producer as NodeOf<'layer_norm_grad'>;
    const [x, , dy] = inputs;
    const width = numericShape(type).slice(-1);
    return opOf('layer_norm_grad_weight').reference([value(x), value(dy)], attrs, width);
  },
};

const biasGradient: JoinRule<JoinConsumers['bias-gradient']> = {
  keepsProducer: true,
  chains: true,
  find(producer, around) {
    if (producer.op !== 'layer_norm_grad_weight') return undefined;
    const dy = around.node(producer.inputs[1]);
    const lead = leadingAxes(dy.type).join();
    return around
      .readers(dy.id, 'sum')
      .find((user) => !user.attrs.keep && user.attrs.axes.join() === lead && isFloat(user.type));
  },
  meaning(producer, _consumer, value) {
    const dy = value(producer.inputs[1]!);
    const axes = dy.shape.slice(0, -1).map((_, axis) => axis);
    return opOf('sum').reference([dy], { axes, keep: false }, dy.shape.slice(-1));
  },
};

const secondResult: JoinRule<JoinConsumers['second-result']> = {
  keepsProducer: true,
  chains: true,
  find(producer, around) {
    if (producer.op !== 'matmul' || around.profile.kind === 'cpu') return undefined;
    return around.allReaders(producer.id).find((user) => {
      const program = programOf(user);
      const others = user.inputs.filter((id) => id !== producer.id);
      const floats = [producer, user, ...others.map((id) => around.node(id))].every(({ type }) =>
        isFloat(type),
      );
      return (
        program !== undefined &&
        floats &&
        sameShape(user.type.shape, producer.type.shape) &&
        program.instructions.every(({ op }) => op !== 'uniform') &&
        // Work that is summed at once is not stored at all.
        rowSum.find(user, around) === undefined &&
        others.every((id) => around.isReady(id, producer)) &&
        // The product's own result, this one, and the bias's gradient.
        producer.inputs.length + others.length + 3 <= around.mostBindings
      );
    });
  },
  meaning(producer, consumer, value) {
    const inputs = consumer.inputs.map(value);
    return evaluateProgram(programOf(consumer)!, inputs, numericShape(producer.type));
  },
};

const leftSum: JoinRule<JoinConsumers['left-sum']> = {
  keepsProducer: true,
  chains: true,
  find(producer, around) {
    if (producer.op !== 'matmul' || around.profile.kind === 'cpu') return undefined;
    const value = summedOperand(around.graph, producer);
    if (value === undefined || producer.inputs.length + 2 > around.mostBindings) return undefined;
    const shapes = [value, ...around.readers(value, 'reshape').map(({ id }) => id)];
    return shapes
      .flatMap((id) => around.readers(id, 'sum'))
      .find((user) => user.id > producer.id && sumsLeft(around.graph, user, producer));
  },
  meaning(producer, _consumer, value) {
    const left = value(producer.inputs[0]!);
    return opOf('sum').reference([left], { axes: [0], keep: false }, left.shape.slice(1));
  },
};

const beside: JoinRule<JoinConsumers['beside']> = {
  keepsProducer: true,
  chains: false,
  find(producer, around) {
    // A slice is bound from where it begins, which it could not be beside what it is a part of: each would be a kernel of its own.
    const isSliced = (id: number): boolean => {
      const { op, inputs } = around.node(id);
      return op === 'slice' || (viewOps.has(op) && isSliced(inputs[0]));
    };
    const isPlain = (node: Node) =>
      node.op === 'matmul' && !node.attrs.normalise && !node.inputs.some(isSliced);
    if (!isPlain(producer) || around.profile.kind === 'cpu') return undefined;
    const behind = (id: number): readonly Node[] =>
      around.allReaders(id).flatMap((user) => (viewOps.has(user.op) ? behind(user.id) : [user]));
    return producer.inputs
      .slice(0, 2)
      .flatMap((id) => behind(rootOf(around.graph, id)))
      .find(
        (user): user is NodeOf<'matmul'> & Node =>
          user.id > producer.id &&
          isPlain(user) &&
          around.makerOf(user.id) === undefined &&
          user.inputs.every((id) => around.isReady(id, producer)),
      );
  },
  meaning(_producer, consumer, value) {
    const { attrs, inputs, type } = consumer as NodeOf<'matmul'>;
    const [a, b, ...others] = inputs;
    return opOf('matmul').reference([value(a), value(b), ...others.map(value)], attrs, numericShape(type));
  },
};

/** In the order in which a producer's joins are sought. */
export const joinRules: { readonly [K in JoinKind]: JoinRule<JoinConsumers[K]> } = {
  'row-sum': rowSum,
  'log-sum-exp': logSumExp,
  'key-gradient': keyGradient,
  'value-gradient': valueGradient,
  'row-moments': rowMoments,
  'weight-gradient': weightGradient,
  'left-sum': leftSum,
  'second-result': secondResult,
  beside,
  epilogue,
  'bias-gradient': biasGradient,
};

export const joinKinds = Object.keys(joinRules) as JoinKind[];
