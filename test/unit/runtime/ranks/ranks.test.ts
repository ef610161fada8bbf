/** What ranks do before and between steps, within one process. */
import { describe, expect, it } from 'vitest';
import {
  allNumbers,
  allTexts,
  bytesOf,
  type Collective,
  single,
  textOfFirst,
} from '../../../../runtime/dist/collective.ts';
import { loopback } from '../../../../runtime/dist/loopback.ts';
import { rankEnvironment } from '../../../../runtime/dist/node/environment.ts';
import { dividedAmong, ownShare } from '../../../../runtime/dist/share.ts';
import { agreedBeginning, checkAgreement } from '../../../../runtime/train/ranks.ts';

const onAll = <T>(size: number, body: (group: Collective) => Promise<T>) =>
  Promise.all(loopback(size).map(body));

const cursor = { epoch: 2, batch: 3, seed: 5 };

describe('collectives', () => {
  it('gather by rank, exchange parts and hand out what rank 0 has', async () => {
    const found = await onAll(3, async (group) => {
      const gathered = new Float32Array(6);
      const own = Float32Array.of(group.rank, -group.rank);
      await group.allGather('gather', bytesOf(own), bytesOf(gathered));
      const exchanged = new Float32Array(3);
      const parts = Float32Array.from([0, 1, 2], (to) => 10 * group.rank + to);
      await group.allToAll('exchange', bytesOf(parts), bytesOf(exchanged));
      const first = Float32Array.of(group.rank + 7);
      await group.broadcast('broadcast', bytesOf(first));
      return [[...gathered], [...exchanged], [...first]];
    });
    expect(found).toEqual([0, 1, 2].map((to) => [[0, -0, 1, -1, 2, -2], [to, 10 + to, 20 + to], [7]]));
  });

  it('carry texts of any length', async () => {
    const texts = ['', 'für alle', 'x'.repeat(1000)];
    const found = await onAll(3, async (group) => [
      ...(await allTexts(group, 'texts', texts[group.rank]!)),
      await textOfFirst(group, 'text', group.rank === 0 ? 'erster' : undefined),
    ]);
    for (const all of found) expect(all).toEqual([...texts, 'erster']);
    expect(await allTexts(single, 'texts', 'allein')).toEqual(['allein']);
    expect(await allNumbers(single, 'numbers', [1, 2])).toEqual([[1, 2]]);
  });

  it('fail where ranks do different things', async () => {
    const found = onAll(2, (group) => group.broadcast(`step ${group.rank}`, new Uint8Array(1)));
    await expect(found).rejects.toThrow('ranks do different things');
  });
});

describe('what ranks settle', () => {
  it('is where the run goes on, as rank 0 says', async () => {
    const own = { start: 7, end: 9, cursor, saveEvery: 4 };
    const found = await onAll(2, (group) => agreedBeginning(group, group.rank === 0 ? own : undefined));
    expect(found).toEqual([own, own]);
  });

  it('is that all train the same', async () => {
    await onAll(2, (group) => checkAgreement(group, { batch: '8' }));
    const other = onAll(2, (group) => checkAgreement(group, { batch: '8', rows: `${group.rank}` }));
    await expect(other).rejects.toThrow(
      /Z633: the ranks do not train the same: rank 0 has rows 0, rank 1 has 1/,
    );
  });
});

describe('a batch divided among ranks', () => {
  const recipe: { name: string; batch: number; chunk?: number } = { name: 'r', batch: 24 };

  it('is one chunk of each rank, or several', () => {
    expect(dividedAmong(recipe, { size: 1 })).toBe(recipe);
    expect(dividedAmong(recipe, { size: 4 }).chunk).toBe(6);
    expect(dividedAmong({ ...recipe, chunk: 2 }, { size: 4 }).chunk).toBe(2);
    expect(dividedAmong({ ...recipe, chunk: 12 }, { size: 4 }).chunk).toBe(6);
  });

  it('is refused where it does not come out even, with what does', () => {
    expect(() => dividedAmong(recipe, { size: 5 })).toThrow(
      /Z632.*batch = 24 cannot be divided among 5 ranks/,
    );
    expect(() => dividedAmong({ ...recipe, chunk: 4 }, { size: 4 })).toThrow(/Z632.*has 6 of the 24 pairs/);
  });

  it('gives a rank its rows and whole tables', async () => {
    const inputs = new Map([
      ['x', Float32Array.from({ length: 8 }, (_, i) => i)],
      ['prompts', Float32Array.of(1, 2)],
    ]);
    const source = {
      next: async () => ({ inputs, skipped: 0 }),
      cursor: () => cursor,
      seek: () => {},
      close: async () => {},
    };
    const [, second] = loopback(2);
    const own = await ownShare(source, new Set(['prompts']), second!).next();
    expect([...own.inputs.values()].map((data) => [...data])).toEqual([
      [4, 5, 6, 7],
      [1, 2],
    ]);
    expect(ownShare(source, new Set(), single)).toBe(source);
  });
});

describe('what launchers say', () => {
  it('is rank, size and library', () => {
    expect(rankEnvironment({})).toBeUndefined();
    expect(rankEnvironment({ OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' })).toBeUndefined();
    const open = rankEnvironment({ OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '4' });
    expect(open).toMatchObject({ rank: 1, size: 4 });
    expect(open!.libraries[0]).toBe('libmpi.so.40');
    const hydra = rankEnvironment({ PMI_RANK: '2', PMI_SIZE: '3', ZOOC_MPI: '/opt/libmpi.so' });
    expect(hydra).toEqual({ rank: 2, size: 3, libraries: ['/opt/libmpi.so'] });
  });

  it('is nothing within an interactive allocation of Slurm, outside of srun', () => {
    const allocation = { SLURM_PROCID: '0', SLURM_NTASKS: '2' };
    expect(rankEnvironment(allocation)).toBeUndefined();
    expect(rankEnvironment({ ...allocation, SLURM_STEP_ID: '0' })).toMatchObject({ rank: 0, size: 2 });
  });
});
