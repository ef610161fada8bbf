/** `train` of a classifier on pictures with labels from a table. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const colours = { red: '#d02020', green: '#20a040', blue: '#2040d0' };
const program = `import nn { Linear }
block Classifier(classes: int) {
  head: Linear(48, classes)
  forward(image: [B, 3, 4, 4]) -> { scores: [B, classes] } = { scores = head(rearrange(image, [b, c, h, w] -> [b, (c h w)])) }
}
objective labelled(out: { scores: [B, C] }, label: i32[B], weight: [B]) -> [] {
  return -mean(gather(weight * take(log_softmax(out.scores, axis = -1), label, axis = 1)))
}
model "colours" = Classifier(3)
train "labels" of "colours" {
  data = csv("t.csv", inputs = {
    image = picture("file", augment = [shift(1)]),
    label = class("colour", names = "classes.txt"),
    weight = number("weight")
  })
  objective = labelled
  batch = 3
  optimizer = adamw(lr = 0.02, weight_decay = 0)
  steps = 12
}
`;

const prompted = `import nn { Linear, Embedding }
block Prompted(classes: int) {
  visual: Linear(48, 8)
  text: Embedding(600, 8)
  forward(image: [B, 3, 4, 4], prompts: i32[classes, 6]) -> { scores: [B, classes] } {
    return { scores = visual(rearrange(image, [b, c, h, w] -> [b, (c h w)])) @ mean(text(prompts), axis = 1).T }
  }
}
objective labelled(out: { scores: [B, C] }, label: i32[B]) -> [] {
  return -mean(gather(take(log_softmax(out.scores, axis = -1), label, axis = 1)))
}
model "prompted" = Prompted(3)
train "prompts" of "prompted" {
  data = csv("t.csv", inputs = { image = picture("file"), label = class("colour", names = ["red", "green", "blue"]) })
  table prompts = tokens(["red", "green", "blue"], template = "all {}")
  objective = labelled
  batch = 6
  chunk = 3
  optimizer = adamw(lr = 0.1, weight_decay = 0)
  steps = 12
}
`;

beforeAll(async () => {
  workspace.write('labels.zoo', program);
  workspace.write('prompted.zoo', prompted);
  workspace.write('classes.txt', `${Object.keys(colours).join('\n')}\n`);
  const rows = ['file,colour,weight'];
  for (const [name, background] of Object.entries(colours)) {
    const png = await sharp({ create: { width: 8, height: 8, channels: 3, background } })
      .png()
      .toBuffer();
    workspace.write(`${name}.png`, png);
    rows.push(`${name}.png,${name},1`, `${name}.png,${name},0.5`);
  }
  workspace.write('t.csv', `${rows.join('\n')}\n`);
});

const losses = (run: string): number[] =>
  readFileSync(workspace.path(`${run}/metrics.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).loss);

describe('train with labels', () => {
  it('learns the classes of a table, and again the same from the texts of the run', async () => {
    const { code, stderr } = await workspace.call(['train', 'labels.zoo', '--out', 'run']);
    expect(code, stderr).toBe(0);
    const found = losses('run');
    expect(found).toHaveLength(12);
    // Plain colours are told apart by one linear layer within a few steps of this size.
    expect(found.at(-1)!).toBeLessThan(0.3 * found[0]!);
    const checked = await workspace.call(['check', 'run/recipe.zoo']);
    expect(checked.code, checked.stderr).toBe(0);
  });

  it('learns with prompts from a table of the recipe, in chunks', async () => {
    const { code, stderr } = await workspace.call(['train', 'prompted.zoo', '--out', 'prompts']);
    expect(code, stderr).toBe(0);
    const found = losses('prompts');
    expect(found.at(-1)!).toBeLessThan(0.5 * found[0]!);
    expect(readFileSync(workspace.path('prompts/recipe.zoo'), 'utf8')).toContain('table prompts = tokens(');
  });

  it('names the row of a label that is no class', async () => {
    workspace.write('classes.txt', 'red\ngren\nblue\n');
    const { code, stderr } = await workspace.call(['train', 'labels.zoo', '--out', 'wrong']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('row 3: `colour` is "green", which is none of the names; did you mean `gren`?');
  });
});
