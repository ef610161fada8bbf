/**
 * `npm run gpu:pack`: everything that a bare x86-64 Linux machine with a card needs for the day, in `.gpu/`: Node, the built package with
 * what it needs at run time, Vulkan's loader, the day's programs and golden data. Nothing is installed here or there.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleNode } from '../../scripts/bundle.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const target = join(root, '.gpu');
/** What may travel to a borrowed machine. */
const mostBytes = 64 * 2 ** 20;

const programs = ['main', 'case', 'golden'].map((name) => `bench/gpu/${name}.ts`);
const kept = ['package.json', 'dist', 'test/fixtures/golden', 'test/fixtures/models'];
/** Vulkan's loader, and what NVIDIA's driver wants of a machine that need not have a screen. */
const libraries = [
  'libvulkan.so.1',
  'libEGL.so.1',
  'libGLdispatch.so.0',
  'libX11.so.6',
  'libXext.so.6',
  'libxcb.so.1',
  'libXau.so.6',
  'libXdmcp.so.6',
  'libbsd.so.0',
  'libmd.so.0',
];

interface Locked {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

/** Folders of the packages that are needed at run time: none that is optional, but for WebGPU itself. */
function runtimePackages(): string[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  return Object.entries(packages)
    .filter(
      ([path, p]) =>
        path === 'node_modules/webgpu' || (path !== '' && !p.dev && !p.optional && !p.devOptional),
    )
    .map(([path]) => path);
}

function copyPackages(app: string): void {
  const foreign = /\/webgpu\/dist\/(?!linux-x64)[^/]+/;
  for (const path of runtimePackages())
    cpSync(join(root, path), join(app, path), {
      recursive: true,
      filter: (source) =>
        !foreign.test(source) && !source.slice(root.length + path.length).includes('node_modules'),
    });
}

/** What the linker of this machine finds; the names of those that it does not have. */
function copyLibraries(folder: string): string[] {
  mkdirSync(folder);
  const listed = execFileSync('ldconfig', ['-p'], { encoding: 'utf8' });
  return libraries.filter((name) => {
    const path = listed
      .split('\n')
      .find((line) => line.trim().startsWith(`${name} (`) && line.includes('x86-64'))
      ?.split(' => ')[1];
    if (path === undefined) return true;
    copyFileSync(path, join(folder, name));
    return false;
  });
}

function copyNode(folder: string): void {
  mkdirSync(folder);
  const node = join(folder, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  // Without the table of symbols a quarter less; where there is no strip, it travels.
  spawnSync('strip', [node], { stdio: 'ignore' });
}

async function fill(folder: string): Promise<void> {
  const app = join(folder, 'zooc');
  for (const path of kept) cpSync(join(root, path), join(app, path), { recursive: true });
  await bundleNode(join(app, 'dist'), programs);
  const script = 'bench/gpu/torch_towers.py';
  copyFileSync(join(root, script), join(app, 'dist', script));
  copyPackages(app);
  copyNode(join(folder, 'bin'));
  const missing = copyLibraries(join(folder, 'lib'));
  if (missing.length > 0)
    console.error(`gpu:pack: not on this machine, so not in the bundle: ${missing.join(', ')}`);
}

if (process.platform !== 'linux' || process.arch !== 'x64')
  throw new Error(`the bundle is for Linux on x86-64, this is ${process.platform} on ${process.arch}`);
if (!existsSync(join(root, 'dist'))) throw new Error('there is no dist: npm run gpu:pack builds it first');
const work = mkdtempSync(join(tmpdir(), 'zooc-gpu-pack-'));
try {
  await fill(work);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  const bundle = join(target, 'bundle.tar.gz');
  execFileSync('tar', ['-C', work, '-czf', bundle, '.']);
  copyFileSync(fileURLToPath(new URL('start', import.meta.url)), join(target, 'start'));
  const { size } = statSync(bundle);
  if (size > mostBytes) throw new Error(`${bundle} is larger than 64 MiB`);
  console.error(`gpu:pack: .gpu, ${(size / 2 ** 20).toFixed(1)} MiB; there: bash .gpu/start`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
