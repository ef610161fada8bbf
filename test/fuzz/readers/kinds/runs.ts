/** What lies in run folders and caches: descriptions, checkpoints, metrics, locks, measured schedules. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { encodeSafetensors } from '../../../../runtime/data/safetensors/tensors.ts';
import { CheckpointStore, type RunState, restoreState } from '../../../../runtime/train/node/checkpoints.ts';
import { lockName, refuseLocked } from '../../../../runtime/train/node/lock.ts';
import { MetricsFile } from '../../../../runtime/train/node/metrics.ts';
import { describeRun } from '../../../../runtime/train/node/run-folder.ts';
import type { TrainSession } from '../../../../runtime/train/types.ts';
import { cachePath, loadTuned, type TuneIdentity } from '../../../../runtime/tune/node/cache.ts';
import { readTraining } from '../../../../zoo/export/describe.ts';
import { changedJson, jsonTokens, mutateJson } from '../evil.ts';
import { bytesOf, fromFile, type Mutation, type Reader } from '../reader.ts';
import { changeHeader } from './weights.ts';

const state: RunState = {
  step: 3,
  cursor: { epoch: 0, batch: 3, seed: 1 },
  modelHash: 'f'.repeat(64),
  settings: { batch: 4, optimizer: 'adamw(lr = 0.001)' },
};

/** A session of one weight, as far as checkpoints know one. */
const session = {
  state: [{ name: 'w', shape: [2], dtype: 'F32' }],
  readState: async () => Float32Array.of(1, 2),
  writeState: () => {},
} as unknown as TrainSession;

/** A folder with the checkpoint of one step; its path. */
async function savedRun(folder: string): Promise<string> {
  const store = new CheckpointStore(folder, 2);
  const carried = [{ name: 'carried', shape: [], dtype: 'F32' as const, data: Float32Array.of(1) }];
  await store.save(session, carried, state);
  return join(store.folder, 'step-00000003.safetensors');
}

/** One of an older version, which may be changed without being found out. */
function withoutChecksum(): Uint8Array {
  const weight = { dtype: 'F32' as const, shape: [2], data: Float32Array.of(1, 2) };
  return encodeSafetensors(
    new Map([['w', weight]]),
    new Map([['zooc.run', JSON.stringify({ version: 1, ...state })]]),
  );
}

/** The checkpoint that a run would go on from, and what it holds. */
async function resume(folder: string): Promise<void> {
  const found = await new CheckpointStore(folder, 2).latest(() => {});
  if (found !== undefined) await restoreState(found.path, session, () => {});
}

const row = (step: number) => `${JSON.stringify({ step, loss: 1.5, lr: 0.001 })}\n`;

/** One line changed as JSON. */
const mutateLine: Mutation = (bytes, random) => {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  const at = random.below(lines.length);
  lines[at] = changedJson(lines[at]!, random) ?? lines[at]!;
  return Buffer.from(lines.join('\n'));
};

const identity: TuneIdentity = { adapter: 'GPU (vulkan)', driver: '1', dawn: '0.6.2' };
const entry = { id: 'a', seconds: 0.001, default: { id: 'd', seconds: 0.002 } };
const measured = { version: 1, ...identity, schedules: { 'contract 1x2x3': entry } };

export const runReaders: readonly Reader[] = [
  {
    name: 'run.json',
    share: 6,
    seeds: () => [
      bytesOf(
        JSON.stringify({
          version: 1,
          recipe: 'r',
          model: 'm',
          weights: './w',
          changes: [{ step: 3, setting: 'lr', from: 1, to: 2 }],
        }),
      ),
    ],
    tokens: jsonTokens,
    mutations: [mutateJson],
    open: fromFile('run.json', (_, folder) => describeRun(folder)),
  },
  {
    name: 'latest.json',
    share: 4,
    seeds: () => [bytesOf('{"file":"step-00000003.safetensors","step":3}\n')],
    tokens: [...jsonTokens, 'step-', '.safetensors', 'step-99999999999999999999.safetensors'],
    mutations: [mutateJson],
    open: async (folder) => {
      await savedRun(folder);
      return fromFile('checkpoints/latest.json', () => resume(folder))(folder);
    },
  },
  {
    name: 'checkpoint',
    share: 4,
    seeds: async (folder) => [readFileSync(await savedRun(folder)), withoutChecksum()],
    mutations: [changeHeader],
    tokens: [...jsonTokens, 'zooc.sha256', 'zooc.run', '\\"version\\":1', '\\"version\\":2'],
    open: async (folder) => {
      await savedRun(folder);
      return fromFile('checkpoints/step-00000003.safetensors', () => resume(folder))(folder);
    },
  },
  {
    name: 'metrics.jsonl',
    share: 4,
    seeds: () => [bytesOf(row(0) + row(1) + row(2)), bytesOf(row(0) + row(2) + row(5))],
    tokens: [...jsonTokens, '{"step":1}\n', '{"step":1.5}\n', '{"step":-1}\n', '{"step":1e9}\n', '}\n'],
    mutations: [mutateLine],
    open: fromFile('metrics.jsonl', async (path) => {
      const file = await MetricsFile.open(path, 3, () => {});
      await file.close();
    }),
  },
  {
    name: 'training of a run',
    share: 4,
    seeds: () => [bytesOf(row(0) + row(1) + row(2)), bytesOf(row(0).trim())],
    tokens: [...jsonTokens, '}\n', '{"step":0,"loss":null}\n', '{}'],
    mutations: [mutateLine],
    open: (folder) => {
      writeFileSync(join(folder, 'run.json'), '{"recipe":"r"}');
      return fromFile('metrics.jsonl', () => readTraining(folder))(folder);
    },
  },
  {
    name: 'run.lock',
    share: 4,
    seeds: () => [
      bytesOf('{"host":"elsewhere","pid":7,"since":"2026-01-01T00:00:00.000Z"}\n'),
      bytesOf('{"host":"elsewhere","pid":7,"began":"b 1","since":"s"}\n'),
    ],
    tokens: jsonTokens,
    mutations: [mutateJson],
    open: fromFile(lockName, (_, folder) => refuseLocked(folder)),
  },
  {
    name: 'measured schedules',
    share: 4,
    seeds: () => [bytesOf(JSON.stringify(measured))],
    tokens: jsonTokens,
    mutations: [mutateJson],
    open: (folder) => {
      const path = cachePath(identity, folder);
      return fromFile(basename(path), () => loadTuned(identity, () => {}, dirname(path)))(folder);
    },
  },
];
