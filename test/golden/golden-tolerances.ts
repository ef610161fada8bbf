/** How far features, loss and gradients of a golden set may be from PyTorch's: 20 to 50 times its own noise in f32. */
export function goldenTolerances(set: string): Record<'features' | 'loss' | 'gradients', number> {
  return { features: 3e-5, loss: 1e-5, gradients: set.endsWith('_rn') ? 2e-4 : 1e-4 };
}
