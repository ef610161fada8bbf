/**
 * The repositories of open_clip's pretrained weights, as far as a bundled model takes them. They follow no rule: they are those of
 * src/open_clip/pretrained.py. Weights that are only published as files without a digest (MetaCLIP's, those of its releases) are not here.
 */

/** Architecture and tag of open_clip, the bundled model, the repository. */
const published = [
  ['ViT-B-32/laion2b_s34b_b79k', 'ViT-B/32-gelu', 'laion/CLIP-ViT-B-32-laion2B-s34B-b79K'],
  ['ViT-B-32/datacomp_xl_s13b_b90k', 'ViT-B/32-gelu', 'laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K'],
  ['ViT-B-16/laion2b_s34b_b88k', 'ViT-B/16-gelu', 'laion/CLIP-ViT-B-16-laion2B-s34B-b88K'],
  ['ViT-B-16/datacomp_xl_s13b_b90k', 'ViT-B/16-gelu', 'laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K'],
  ['ViT-L-14/laion2b_s32b_b82k', 'ViT-L/14-gelu', 'laion/CLIP-ViT-L-14-laion2B-s32B-b82K'],
  ['ViT-L-14/datacomp_xl_s13b_b90k', 'ViT-L/14-gelu', 'laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K'],
  ['ViT-H-14/laion2b_s32b_b79k', 'ViT-H/14', 'laion/CLIP-ViT-H-14-laion2B-s32B-b79K'],
  ['ViT-g-14/laion2b_s12b_b42k', 'ViT-g/14', 'laion/CLIP-ViT-g-14-laion2B-s12B-b42K'],
  ['ViT-g-14/laion2b_s34b_b88k', 'ViT-g/14', 'laion/CLIP-ViT-g-14-laion2B-s34B-b88K'],
  ['ViT-bigG-14/laion2b_s39b_b160k', 'ViT-bigG/14', 'laion/CLIP-ViT-bigG-14-laion2B-39B-b160k'],
  ['convnext_base/laion400m_s13b_b51k', 'ConvNeXt-B', 'laion/CLIP-convnext_base-laion400M-s13B-b51K'],
  ['EVA02-B-16/merged2b_s8b_b131k', 'EVA02-B/16', 'timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k'],
  ['EVA02-L-14/merged2b_s4b_b131k', 'EVA02-L/14', 'timm/eva02_large_patch14_clip_224.merged2b_s4b_b131k'],
  [
    'EVA02-L-14-336/merged2b_s6b_b61k',
    'EVA02-L/14@336px',
    'timm/eva02_large_patch14_clip_336.merged2b_s6b_b61k',
  ],
  ['ViT-B-16-SigLIP/webli', 'ViT-B/16-SigLIP', 'timm/ViT-B-16-SigLIP'],
  ['ViT-L-16-SigLIP-256/webli', 'ViT-L/16-SigLIP-256', 'timm/ViT-L-16-SigLIP-256'],
  ['ViT-SO400M-14-SigLIP/webli', 'ViT-SO400M/14-SigLIP', 'timm/ViT-SO400M-14-SigLIP'],
] as const;

/** By `ARCH/TAG`. */
export const openClipRepositories: ReadonlyMap<string, { readonly model: string; readonly repo: string }> =
  new Map(published.map(([name, model, repo]) => [name, { model, repo }]));
