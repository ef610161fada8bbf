/** A model that runs in no time on the reference, with the tokenizer's smallest vocabulary. */
export const tinyZoo = `import clip { CLIP, VisionTransformer, TextTransformer }
import losses { contrastive }

model "tiny" = CLIP(
  vision = VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16)
)
`;
