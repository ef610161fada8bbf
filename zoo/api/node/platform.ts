/** What the library needs of Node: files, Dawn by the npm package `webgpu`, pictures by `sharp`. Both are loaded when used. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { fail } from '../../../grammar/diagnostics.ts';
import { systemReason } from '../../../runtime/data/files/atomic.ts';
import { clipMerges } from '../../../runtime/data/texts/tokenizer.ts';
import { optionalPackage } from '../../../runtime/node/optional.ts';
import { nodeHost } from '../../host.ts';
import { nodeVersions } from '../../version.ts';
import { openWeights } from '../../weights/weights.ts';
import { fetchBytes, isNamed, ownBytes } from '../bytes.ts';
import type { Platform } from '../platform.ts';

import { bytesWeights } from '../weights.ts';

/** A path, also one that is written as a URL; undefined for an address. */
function pathOf(source: string | URL): string | undefined {
  const text = String(source);
  if (/^https?:/i.test(text)) return undefined;
  return /^file:/i.test(text) ? fileURLToPath(text) : text;
}

async function readBytes(source: string | URL): Promise<Uint8Array> {
  const path = pathOf(source);
  if (path === undefined) return fetchBytes(source);
  try {
    return await readFile(path);
  } catch (error) {
    fail('Z701', `${path}: ${systemReason(error) ?? (error as Error).message}`);
  }
}

export function nodePlatform(): Platform {
  const host = nodeHost();
  return {
    host,
    async openDevice({ adapter, avoid, notify = () => {} }) {
      const { openGpu } = await optionalPackage(() => import('../../../runtime/node/gpu.ts'));
      const { device, report } = await openGpu({
        warn: notify,
        ...(adapter === undefined ? {} : { adapter }),
        ...(avoid === undefined ? {} : { avoid }),
      });
      return { report, device };
    },
    versions: nodeVersions,
    readBytes,
    async openWeights(model, source) {
      const path = pathOf(source);
      if (path !== undefined) return openWeights(model, path);
      return bytesWeights(model, await fetchBytes(source), host, String(source));
    },
    async fit(picture, settings) {
      const { loadFitted } = await optionalPackage(() => import('../../../runtime/data/pictures/images.ts'));
      const path = isNamed(picture) ? pathOf(picture) : undefined;
      if (path !== undefined) return loadFitted(path, settings);
      if (isNamed(picture)) return loadFitted(await fetchBytes(picture), settings);
      if ('close' in picture) throw new Error('Node has no such pictures');
      return loadFitted(await ownBytes(picture), settings);
    },
    merges: () => clipMerges(),
  };
}
