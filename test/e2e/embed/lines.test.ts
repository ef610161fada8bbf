/** `zooc embed MODEL -`: a line for a line, whatever is wrong with it, in pipelines that shells and Spark make. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNpy } from '../../../runtime/data/files/npy.ts';
import { embedZoo, writeShards } from '../../support/embed/shards.ts';
import { plainPicture } from '../../support/training/pair-source.ts';
import { commandLine, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const model = ['m.zoo', '--weights', 'init:0', '--device', 'reference'];
const quoted = (args: readonly string[]) => args.map((arg) => `'${arg}'`).join(' ');
const command = quoted([process.execPath, ...commandLine(['embed', ...model])]);

/** Runs a pipeline, as a person at a shell would. */
function shell(script: string, input = '') {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], {
    cwd: workspace.folder,
    encoding: 'utf8',
    input,
    timeout: 120_000,
  });
  return { status, stdout, stderr, lines: stdout.split('\n').slice(0, -1) };
}

beforeAll(async () => {
  workspace.write('m.zoo', embedZoo);
  for (const name of ['a', 'b']) workspace.write(`${name}.png`, await plainPicture(name.charCodeAt(0)));
});

const asked = [
  'a.png',
  '{"text": "a red square", "id": [7, null]}',
  '{"image": "b.png", "caption": "é"}',
  'nowhere.png',
  '{"image": ',
  '{"image": "a.png", "text": "both"}',
  '',
  '{"text": "another"}',
];

describe('embedding lines', () => {
  it('answers each in order with its fields and the feature, or with what is wrong', async () => {
    const { status, lines, stderr } = shell(`${command} - --batch 2`, asked.join('\n'));
    expect(status).toBe(0);
    const answers = lines.map((line) => JSON.parse(line));
    for (const [kind, list, out] of [
      ['--images', ['a.png', 'b.png'], 'i.npy'],
      ['--texts', ['a red square', 'another'], 't.npy'],
    ] as const)
      await workspace.succeed(['embed', ...model, kind, ...list, '--out', out]);
    const [images, texts] = await Promise.all(
      ['i.npy', 't.npy'].map(async (name) => (await readNpy(workspace.path(name))).data as Float32Array),
    );
    // What is printed gives the same float again.
    const feature = (rows: Float32Array, row: number) => rows.slice(8 * row, 8 * row + 8);
    const floats = answers.map(({ embedding, ...rest }) =>
      embedding === undefined ? rest : { ...rest, embedding: Float32Array.from(embedding) },
    );
    expect(floats).toEqual([
      { image: 'a.png', embedding: feature(images!, 0) },
      { text: 'a red square', id: [7, null], embedding: feature(texts!, 0) },
      { image: 'b.png', caption: 'é', embedding: feature(images!, 1) },
      { image: 'nowhere.png', error: 'no such file or folder' },
      { line: '{"image": ', error: 'this is no JSON' },
      { image: 'a.png', text: 'both', error: 'expected a string, either "image" or "text"' },
      { error: 'an empty line' },
      { text: 'another', embedding: feature(texts!, 1) },
    ]);
    expect(stderr).toContain('8 lines, 4 of them with an error');
  });

  it('fails with --strict where a line does, behind all answers', () => {
    const { status, lines, stderr } = shell(`${command} - --strict`, 'nowhere.png\na.png\n');
    expect(status).toBe(1);
    expect(lines).toHaveLength(2);
    expect(stderr).toContain('error[Z471]: 1 lines have an error');
  });

  it('ends with a reader that wants no more, though lines come without end', () => {
    const { status, lines, stderr } = shell(`yes a.png | { ${command} -; echo "code $?" >&2; } | head -n 1`);
    expect({ status, lines: lines.length }).toEqual({ status: 0, lines: 1 });
    expect(stderr).toContain('code 0');
  });

  it('answers a line before the next one comes', () => {
    const first = `${command} - < pipe | { read -r line; echo "$line" > first; }`;
    const { status } = shell(
      `mkfifo pipe; ${first} & exec 3> pipe; echo a.png >&3; while [ ! -s first ]; do sleep 0.1; done; exec 3>&-; wait`,
    );
    expect(status).toBe(0);
    expect(JSON.parse(readFileSync(workspace.path('first'), 'utf8'))).toMatchObject({ image: 'a.png' });
  });

  it('takes its part of the shards from each process that xargs starts', async () => {
    mkdirSync(workspace.path('shards'));
    await writeShards((shard) => workspace.path(`shards/${shard}.tar`), 3, 2);
    const parts = `seq 1 2 | xargs -P 2 -I K ${command} --shards 'shards/{0..2}.tar' --out f --part K/2`;
    const { status, stderr } = shell(parts);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('4 pictures of 2 shards');
    expect(stderr).toContain('2 pictures of 1 shards');
  });

  it.each([
    [['x.png'], 'embed x.png: expected - for standard input'],
    [['-', '--out', 'x.npy'], 'embed - does not take --out'],
    [['--texts', 'a', '--out', 'x.npy', '--strict'], 'embed without --shards does not take --strict'],
    [['--texts', 'a'], 'embed needs --out'],
  ])('refuses %j', async (more, message) => {
    const { code, stderr } = await workspace.call(['embed', ...model, ...more]);
    expect(code).toBe(1);
    expect(stderr).toContain(`error[Z703]: ${message}`);
  });
});
