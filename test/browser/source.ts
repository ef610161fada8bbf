/** In place of `test/support/golden/source.ts`: the files of the repository as this test run's server gives them. */
import { pageHost } from '../../zoo/api/browser/host.ts';

async function fetched(path: string): Promise<Uint8Array> {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

const names = ['golden', 'train', 'weights'].map((part) => `tiny_vit.${part}.safetensors`);
const files = new Map(
  await Promise.all(names.map(async (name) => [name, await fetched(`../fixtures/golden/${name}`)] as const)),
);
const models = new TextDecoder().decode(await fetched('../fixtures/models/tiny.zoo'));

export function goldenBytes(file: string): Uint8Array {
  const bytes = files.get(file);
  if (bytes === undefined) throw new Error(`no golden file ${file}`);
  return bytes;
}

export function modelHost(): ReturnType<typeof pageHost> {
  return { ...pageHost(), read: (path) => (path.endsWith('tiny.zoo') ? models : undefined) };
}
