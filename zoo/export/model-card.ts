/** `README.md` of an export: what the model is, what it takes, how it was trained, and how to use it. */
import type { Description } from './describe.ts';

function table(rows: readonly (readonly [string, string])[]): string {
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

function configText(value: Description['config'][string]): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
}

function inputs(about: Description): string {
  const { preprocessing: p, tokenizer: t } = about;
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

function training(about: Description): string {
  const { training: t } = about;
  if (t === undefined) return 'Nothing is recorded about how these weights were made.';
  const recipe = t.recipe === undefined ? '' : ` by the recipe \`${t.recipe}\``;
  return `Trained with zooc${recipe}: ${t.steps} steps, loss of the last step ${t.loss.toPrecision(4)}.`;
}

export interface CardParts {
  /** Markdown that shows how the folder's files are loaded. */
  readonly use: string;
  /** YAML that model hubs read, one line an entry. */
  readonly frontMatter?: readonly string[];
  /** Markdown about results and licences, behind the training. */
  readonly remarks?: string | undefined;
}

/** The card's Markdown. */
export function modelCard(about: Description, { use, frontMatter, remarks = '' }: CardParts): string {
  const facts: [string, string][] = [['parameters', about.parameters.toLocaleString('en-US')]];
  if (about.embed !== undefined) facts.push(['width of the shared embedding', String(about.embed)]);
  for (const [name, value] of Object.entries(about.config)) facts.push([`\`${name}\``, configText(value)]);
  return `${frontMatter === undefined ? '' : `---\n${frontMatter.join('\n')}\n---\n\n`}# ${about.name}

A CLIP-style pair of encoders: images and texts become vectors whose cosine says how well they fit.

${table(facts)}

## Inputs

${inputs(about)}

## Training

${training(about)}
${remarks === '' ? '' : `\n${remarks.trim()}\n`}
## Use

${use.trim()}

## Limits

Zero-shot results depend on the wording of the labels and on how close the pictures are to the training data. Test on your own data before
relying on them, and do not use them for decisions about people.
`;
}
