/** Names of hubs, and the tables behind two of their kinds. */
import { describe, expect, it } from 'vitest';
import { bundledModels } from '../../../zoo/bundled.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { parseHubName } from '../../../zoo/hub/names.ts';
import { openClipRepositories } from '../../../zoo/hub/open-clip.ts';
import { openaiFiles } from '../../../zoo/hub/openai.ts';

describe('names of hubs', () => {
  it('have an owner, a repository and a revision', () => {
    expect(parseHubName('hf:a/b')).toEqual({ kind: 'repository', owner: 'a', repo: 'b', revision: 'main' });
    expect(parseHubName('hf:a-1/b.c_d@refs/pr/1')).toMatchObject({ repo: 'b.c_d', revision: 'refs/pr/1' });
    const found = parseHubName('open_clip:ViT-B-32/laion2b_s34b_b79k@v1');
    expect(found).toMatchObject({ owner: 'laion', revision: 'v1', model: 'ViT-B/32-gelu' });
  });

  it('of published weights are those of bundled models', () => {
    const bundled = bundledModels(nodeHost());
    for (const name of openaiFiles.keys()) expect(bundled).toContain(name);
    for (const { model } of openClipRepositories.values()) expect(bundled).toContain(model);
    for (const name of openClipRepositories.keys())
      expect(parseHubName(`open_clip:${name}`)).toMatchObject({ kind: 'repository', revision: 'main' });
  });

  it('of OpenAI are nine, each with a digest of its own in its address', () => {
    const names = [
      'RN50',
      'RN101',
      'RN50x4',
      'RN50x16',
      'RN50x64',
      'ViT-B/32',
      'ViT-B/16',
      'ViT-L/14',
      'ViT-L/14@336px',
    ];
    expect([...openaiFiles.keys()]).toEqual(names);
    const digests = [...openaiFiles.values()].map(({ sha256, url }) => {
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(url.split('/').at(-2)).toBe(sha256);
      return sha256;
    });
    expect(new Set(digests).size).toBe(9);
  });
});
