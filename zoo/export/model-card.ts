/** `README.md` of a package: what the model is, what it takes, how it was trained, and how to use it. */
import type { Manifest } from './package.ts';

function table(rows: readonly (readonly [string, string])[]): string {
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

function configText(value: Manifest['config'][string]): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
}

function inputs(manifest: Manifest): string {
  const { preprocessing: p, tokenizer: t } = manifest;
  const lines: string[] = [];
  if (p !== undefined)
    lines.push(
      `- **Images**: ${p.resize} to ${p.resolution} pixels, ${p.crop} crop, RGB, divided by 255, mean [${p.mean.join(', ')}], deviation [${p.std.join(', ')}]; float32 [B, 3, ${p.resolution}, ${p.resolution}].`,
    );
  if (t !== undefined)
    lines.push(
      `- **Texts**: CLIP's byte-pair tokenizer with ${t.vocab} ids; SOT ${t.sot}, the text, EOT ${t.eot}, zeros up to ${t.context}; int32 [B, ${t.context}].`,
    );
  return lines.join('\n');
}

function training(manifest: Manifest): string {
  const { training: t } = manifest;
  if (t === undefined) return 'Nothing is recorded about how these weights were made.';
  const recipe = t.recipe === undefined ? '' : ` by the recipe \`${t.recipe}\``;
  return `Trained with zooc${recipe}: ${t.steps} steps, loss of the last step ${t.loss.toPrecision(4)}.`;
}

/** The card's Markdown. @param remarks Markdown about results and licences, behind the training */
export function modelCard(manifest: Manifest, remarks = ''): string {
  const facts: [string, string][] = [['parameters', manifest.parameters.toLocaleString('en-US')]];
  if (manifest.embed !== undefined) facts.push(['width of the shared embedding', String(manifest.embed)]);
  for (const [name, value] of Object.entries(manifest.config)) facts.push([`\`${name}\``, configText(value)]);
  return `# ${manifest.name}

A CLIP-style pair of encoders: images and texts become vectors whose cosine says how well they fit.

${table(facts)}

## Inputs

${inputs(manifest)}

## Training

${training(manifest)}
${remarks === '' ? '' : `\n${remarks.trim()}\n`}
## Use

\`\`\`sh
npx zooc classify . --labels "a cat,a dog" picture.jpg
npx zooc embed . --images *.jpg --out images.npy
\`\`\`

\`model.zoo\` is the model in the language of zooc, \`weights.safetensors\` holds its weights under the names of OpenAI's CLIP, \`model.json\`
says the same as this page for programs, with a SHA-256 of every file.

## Limits

Zero-shot results depend on the wording of the labels and on how close the pictures are to the training data. Test on your own data before
relying on them, and do not use them for decisions about people.
`;
}
