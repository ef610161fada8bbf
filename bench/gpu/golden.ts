/** The repository's golden batches, made with PyTorch, on the adapter: `golden.js` prints the largest error of each kind. */
import { openGpu } from '../../runtime/node/gpu.ts';
import { goldenTolerances } from '../../test/golden/golden-tolerances.ts';
import { runGolden } from '../../test/golden/run-golden.ts';
import { relL2, relMax } from '../../test/support/golden/golden.ts';

export interface GoldenError {
  readonly set: string;
  readonly what: 'features' | 'loss' | 'gradients';
  readonly error: number;
  readonly allowed: number;
}

/** Without gradient in exact arithmetic, so no error of it can be relative. */
const free = 'visual.attnpool.k_proj.bias';

async function errorsOf(set: string): Promise<GoldenError[]> {
  const { device } = await openGpu();
  try {
    const allowed = goldenTolerances(set);
    const forward = await runGolden(device, { set, mode: 'eval', gradients: false });
    const backward = await runGolden(device, { set, mode: 'train', gradients: true });
    const features = ['image_features', 'text_features', 'logits_per_image'].map((name) =>
      relMax(forward.found.get(name)!, forward.want(`eval.${name}`)),
    );
    const gradients = backward.trainable
      .filter((name) => name !== free)
      .map((name) => relL2(backward.found.get(`grad.${name}`)!, backward.want(`grad.${name}`)));
    const loss = relMax(forward.found.get('loss')!, forward.want('eval.loss'));
    return [
      { set, what: 'features', error: Math.max(...features), allowed: allowed.features },
      { set, what: 'loss', error: loss, allowed: allowed.loss },
      { set, what: 'gradients', error: Math.max(...gradients), allowed: allowed.gradients },
    ];
  } finally {
    device.close();
  }
}

const errors = [...(await errorsOf('tiny_vit')), ...(await errorsOf('hash_rn'))];
console.log(JSON.stringify(errors));
// A NaN is wrong as well.
process.exitCode = errors.every(({ error, allowed }) => error < allowed) ? 0 : 1;
