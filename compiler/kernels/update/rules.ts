/** The update rules in WGSL, by vec4s: moments move on, then the weight. */
import type { UpdateRule } from '../../optimizers.ts';
import { literal } from '../text/wgsl.ts';
import { hyperValue } from './update-spec.ts';

/** What a rule is printed with: WGSL expressions. */
export interface RuleContext {
  /** The weight's decay; undefined where nothing decays. */
  readonly decay: string | undefined;
  /** Mixed precision counts its updates itself, since skipped steps are none. */
  readonly countsUpdates: boolean;
}

/** Statements that change `p` by the gradient `g` at the rate `lr`, and `moment1_data`, `moment2_data`. */
export function printRule(rule: UpdateRule, context: RuleContext): string {
  if (rule.kind === 'adamw') return adamw(rule, context);
  return rule.kind === 'sgd' ? sgd(rule, context) : lion(rule, context);
}

type Of<K extends UpdateRule['kind']> = Extract<UpdateRule, { kind: K }>;

/** In PyTorch's order: decay, moments, then p -= lr / bc1 * m / (sqrt(v) / sqrt(bc2) + eps). */
function adamw({ beta1, beta2, eps }: Of<'adamw'>, { decay, countsUpdates }: RuleContext): string {
  const correction = (slot: 'bias_correction1' | 'bias_correction2', beta: number) => {
    if (beta === 0) return '1.0';
    return countsUpdates ? `bias_correction(${literal(Math.log(beta))})` : hyperValue(slot);
  };
  return `${decay === undefined ? '' : `  p -= (lr * ${decay}) * p;\n`}  let m = moment1_data[index] + (g - moment1_data[index]) * ${literal(1 - beta1)};
  let v = moment2_data[index] * ${literal(beta2)} + g * g * ${literal(1 - beta2)};
  moment1_data[index] = m;
  moment2_data[index] = v;
  let deviation = sqrt(v) / sqrt(${correction('bias_correction2', beta2)}) + ${literal(eps)};
  p -= lr / ${correction('bias_correction1', beta1)} * (m / deviation);
`;
}

/** From a momentum of zeros the first one is the gradient itself. */
function sgd({ momentum, nesterov }: Of<'sgd'>, { decay }: RuleContext): string {
  const gradient = `  let d = g${decay === undefined ? '' : ` + ${decay} * p`};\n`;
  if (momentum === 0) return `${gradient}  p -= lr * d;\n`;
  return `${gradient}  let m = moment1_data[index] * ${literal(momentum)} + d;
  moment1_data[index] = m;
  p -= lr * ${nesterov ? `(d + m * ${literal(momentum)})` : 'm'};
`;
}

function lion({ beta1, beta2 }: Of<'lion'>, { decay }: RuleContext): string {
  const direction = `sign(m * ${literal(beta1)} + g * ${literal(1 - beta1)})`;
  return `  let m = moment1_data[index];
  p -= lr * ${decay === undefined ? direction : `(${direction} + ${decay} * p)`};
  moment1_data[index] = m * ${literal(beta2)} + g * ${literal(1 - beta2)};
`;
}
