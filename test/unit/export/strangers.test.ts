/**
 * Packages, programs and adapters from strangers (docs/explanation/security.md): what their names and links lead to outside of
 * their folder is not read, not taken in place of what was verified, and not shown.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import type { ModuleHost } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { loadModelWithWeights } from '../../../zoo/cli/packages.ts';
import { exportAdapter, exportForeign, exportPackage, loadPackage } from '../../../zoo/export/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { adapterMetadata } from '../../../zoo/weights/adapter-file.ts';
import { encodeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { digestFile, type Manifest } from '../../../zoo/weights/package.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { openWholeTensors } from '../../../zoo/weights/whole-tensors.ts';
import { diagnosticsOf } from '../../support/golden/published-weights.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-strangers-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

const text = `import nn { Linear }
block One { head: Linear(2, 3)  forward(x: [B, 2]) -> [B, 3] = head(x) }
model "one" = One()
`;
const secret = 'the first line of a secret\n';

function load(reference: string, host: ModuleHost = nodeHost()): string {
  const result = resolveModel(host, reference);
  return result.ok ? `loaded ${result.value.name}` : renderDiagnostics(result.diagnostics);
}

function modelOf(reference: string) {
  const result = resolveModel(nodeHost(), reference);
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

beforeAll(() => {
  writeFileSync(path('one.zoo'), text);
  writeFileSync(path('secret'), secret);
});

beforeEach(async () => {
  rmSync(path('package'), { recursive: true, force: true });
  await exportPackage({ source: 'init:0', model: modelOf(path('one.zoo')), out: path('package') });
});

/** Changes the manifest, as a stranger would who makes all digests fit. */
async function change(edit: (manifest: Manifest) => void, files: readonly string[] = []): Promise<void> {
  const manifest = JSON.parse(readFileSync(path('package/model.json'), 'utf8')) as Manifest;
  for (const name of files) manifest.files[name] = await digestFile(path(`package/${name}`));
  edit(manifest);
  writeFileSync(path('package/model.json'), JSON.stringify(manifest));
}

/** An adapter with a base wherever a stranger likes. */
function adapter(base: string): string {
  const about = { path: base, weights_sha256: '0'.repeat(64), weights: 1 };
  const bias = { dtype: 'F32' as const, shape: [3], data: new Float32Array(3) };
  const metadata = new Map(Object.entries(adapterMetadata({ model: 'one', base: about })));
  writeFileSync(path('adapter.safetensors'), encodeSafetensors(new Map([['head.bias', bias]]), metadata));
  return path('adapter.safetensors');
}

const opened = () => diagnosticsOf(loadPackage(path('package')));

describe('a package', () => {
  it.each(['model.zoo#x/../../one.zoo#one', 'model.zoo#../one.zoo#one', '../one.zoo#one', 'model.zoo#other'])(
    'that refers to %s is refused',
    async (reference) => {
      await change((manifest) => Object.assign(manifest, { reference }));
      expect(await opened()).toContain('Z430');
      expect(await opened()).toContain('its reference is not model.zoo#one');
    },
  );

  it.each(['./other.zoo', '../one.zoo', 'acme', './secret.zoo'])(
    'imports nothing that it does not list: %s',
    async (spec) => {
      writeFileSync(path('package/other.zoo'), text);
      symlinkSync(path('secret'), path('package/secret.zoo'));
      mkdirSync(path('node_modules/acme'), { recursive: true });
      writeFileSync(path('node_modules/acme/package.json'), '{"name":"acme","zoo":"main.zoo"}');
      writeFileSync(path('node_modules/acme/main.zoo'), text);
      writeFileSync(path('package/model.zoo'), `import "${spec}" { "one" }\n`);
      await change(() => {}, ['model.zoo']);
      const { host, reference } = await loadPackage(path('package'));
      expect(load(reference, host)).toContain('error[Z205]: there is no');
      expect(load(reference, host)).not.toContain('secret\n');
      await change(() => {}, ['other.zoo']);
      if (spec === './other.zoo') {
        const listed = await loadPackage(path('package'));
        expect(load(listed.reference, listed.host)).toBe('loaded one');
      }
    },
  );

  it.each(['adapter.safetensors', 'model.safetensors'])(
    'with weights beside those listed: %s',
    async (name) => {
      writeFileSync(path(`package/${name}`), readFileSync(path('package/weights.safetensors')));
      const said = await diagnosticsOf(
        loadModelWithWeights(path('package'), { set: [] }).then((m) => m.weights.close()),
      );
      // What would go before the listed file is refused; what would not is not read.
      expect(said.includes('Z430')).toBe(name === 'adapter.safetensors');
    },
  );

  it('is verified where it is named as weights, too', async () => {
    const bytes = readFileSync(path('package/weights.safetensors'));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path('package/weights.safetensors'), bytes);
    const given = { weights: path('package'), set: [] };
    expect(await diagnosticsOf(loadModelWithWeights(path('one.zoo'), given))).toContain('Z430');
    const model = modelOf(path('one.zoo'));
    const source = path('package');
    const request = { source, model, out: path('out') };
    const ways = [
      () => openWeights(model, source),
      () => openWeights(model, adapter(source)),
      () => openWholeTensors(source),
      () => exportPackage(request),
      () => exportAdapter({ ...request, base: 'init:1' }),
      () => exportAdapter({ ...request, source: 'init:1', base: source }),
      () => exportForeign(request, 'hf'),
    ];
    for (const way of ways) expect(await diagnosticsOf(way()), String(way)).toContain('its SHA-256 differs');
  });

  it.each(['README.md', 'weights.safetensors', 'model.json'])(
    'with a link to a device, or to a folder, is refused before that is read: %s',
    async (name) => {
      for (const target of ['/dev/zero', folder]) {
        rmSync(path(`package/${name}`));
        symlinkSync(target, path(`package/${name}`));
        expect(await opened()).toMatch(/Z430.*is not a file/);
      }
    },
  );

  it('with a manifest of megabytes is refused', async () => {
    writeFileSync(path('package/model.json'), ' '.repeat(2 ** 20 + 1));
    expect(await opened()).toContain('has 1048577 bytes, more than 1048576');
  });

  it('whose files are links, as download caches keep them, is read where their content is that listed', async () => {
    for (const name of ['model.zoo', 'weights.safetensors']) {
      renameSync(path(`package/${name}`), path(`blob-${name.length}`));
      symlinkSync(path(`blob-${name.length}`), path(`package/${name}`));
    }
    const { host, reference } = await loadPackage(path('package'));
    expect(load(reference, host)).toBe('loaded one');
    rmSync(path('package/README.md'));
    symlinkSync(path('secret'), path('package/README.md'));
    await change((manifest) => {
      manifest.files['README.md']!.bytes = statSync(path('secret')).size;
    });
    const said = await opened();
    expect(said).toContain('its SHA-256 differs');
    expect(said).not.toContain('first line');
  });
});

describe('a program', () => {
  it('imports no file whose name does not end in .zoo, and shows no line of it', () => {
    symlinkSync(path('secret'), path('linked.zoo'));
    for (const spec of ['/etc/passwd', path('secret'), './secret', './linked.zoo']) {
      writeFileSync(path('main.zoo'), `import "${spec}" { "x" }\nmodel "y" = "x"\n`);
      const said = load(path('main.zoo'));
      expect(said).toContain('is no file of the language: their names end in .zoo');
      expect(said).not.toMatch(/first line|root:/);
    }
  });
});

describe('an adapter', () => {
  const opens = (base: string) => diagnosticsOf(openWeights(modelOf(path('one.zoo')), adapter(base)));

  it('whose base is no file of weights shows nothing of it', async () => {
    for (const base of [path('secret'), 'secret', './secret', '/etc/passwd']) {
      const said = await opens(base);
      expect(said).toContain('has no format that weights come in');
      expect(said).not.toMatch(/first line|root:/);
    }
    for (const base of ['/dev/zero', '/dev/stdin'])
      expect(await opens(base)).toMatch(/Z410.*not a file|Z441/);
  });

  it('takes no base that is another than the one that it was exported beside', async () => {
    const [, weight] = ['bias', { dtype: 'F32' as const, shape: [3, 2], data: new Float32Array(6) }] as const;
    writeFileSync(path('base.safetensors'), encodeSafetensors(new Map([['head.weight', weight]])));
    expect(await opens(path('base.safetensors'))).toContain('Z442');
  });
});
