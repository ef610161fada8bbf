/**
 * `npm run setup:matrix-driver`: a newer software Vulkan driver beside the system's own, so that kernels of
 * subgroup matrices can be run and checked without a GPU. Nothing is installed and no root is needed.
 *
 * Mesa offers subgroup matrices on the CPU from version 26 on, which is newer than what stable systems carry.
 * Debian's packages of it, and of the C library they want, are downloaded with the system's own apt from the
 * mirror that it uses already and unpacked into the user's cache; a program runs under them through the
 * loader unpacked there. Where that cannot be done one line says why and the tests that need it say that they
 * are skipped.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../runtime/node/cache-folder.ts';

export interface MatrixSystem {
  readonly platform: string;
  /** As dpkg names it; undefined without dpkg. */
  readonly architecture: string | undefined;
  /** Lines `origin uri` of the package indices that apt is set up for; empty without apt. */
  readonly targets: readonly string[];
}

export type FetchPlan =
  | { readonly ok: true; readonly sources: string }
  | { readonly ok: false; readonly reason: string };

const suite = 'trixie';
/** `mesa-drm-shim` stands in for the kernel drivers of GPUs that are not there (`npm run gpu-stats`). */
const packages = ['mesa-vulkan-drivers', 'mesa-drm-shim', 'libvulkan1', 'libc6', 'libstdc++6'];
/** Vulkan's headers, for the same. Of what the package depends on (Python, for its generators) nothing is needed. */
const headers = 'libvulkan-dev';
const libraries = join('usr', 'lib', 'x86_64-linux-gnu');

/** The sources to fetch from, or why the driver cannot be had. */
export function planFetch({ platform, architecture, targets }: MatrixSystem): FetchPlan {
  if (platform !== 'linux') return { ok: false, reason: `not for ${platform}` };
  if (architecture === undefined) return { ok: false, reason: 'it needs apt and dpkg' };
  if (architecture !== 'amd64') return { ok: false, reason: `not for ${architecture}` };
  const mirror = targets
    .map((line) => /^Debian (\S+:\S+)$/.exec(line)?.[1])
    .find((uri) => uri !== undefined && !uri.includes('security'));
  if (mirror === undefined)
    return { ok: false, reason: 'apt knows no Debian mirror (apt-get update may be needed first)' };
  const line = (name: string) => `deb ${mirror} ${name} main\n`;
  return { ok: true, sources: line(suite) + line(`${suite}-backports`) };
}

/** Where the driver is kept: the user's cache, wherever measurements (`ZOOC_CACHE`) are. */
export function matrixDriverFolder(env: NodeJS.ProcessEnv = process.env): string {
  const { ZOOC_CACHE: _, ...others } = env;
  return join(cacheFolder(others), 'matrix-driver');
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How to run a program under the driver; undefined where it has not been fetched. */
export function underMatrixDriver(
  program: string,
  args: readonly string[],
  folder = matrixDriverFolder(),
): Command | undefined {
  const icd = join(folder, 'icd.json');
  return existsSync(icd) ? underUnpacked(program, args, icd, folder) : undefined;
}

/** How to run a program under the unpacked C library and a driver that a manifest names, with a library before all others. */
export function underUnpacked(
  program: string,
  args: readonly string[],
  icd: string,
  folder: string,
  preload?: string,
): Command {
  const own = unpackedLibraries(folder);
  const first = preload === undefined ? [] : ['--preload', preload];
  return {
    command: join(own, 'ld-linux-x86-64.so.2'),
    args: ['--library-path', `${own}:/${libraries}`, ...first, program, ...args],
    env: { VK_ICD_FILENAMES: icd, VK_DRIVER_FILES: icd },
  };
}

/** Where the unpacked libraries lie: drivers, `lib…_noop_drm_shim.so`, the C library. */
export function unpackedLibraries(folder: string): string {
  return join(folder, 'root', libraries);
}

/** Whether the folder has all that is fetched today: an earlier one may have been fetched with less. */
function isWhole(folder: string): boolean {
  return existsSync(join(folder, 'icd.json')) && existsSync(join(folder, 'root', 'usr', 'include', 'vulkan'));
}

export function writeManifest(path: string, library: string): void {
  const manifest = { file_format_version: '1.0.1', ICD: { api_version: '1.4.0', library_path: library } };
  writeFileSync(path, JSON.stringify(manifest));
}

function say(text: string): void {
  console.error(`setup:matrix-driver: ${text}`);
}

/** What a command printed; undefined if it failed or is not there. */
function output(command: string, ...args: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout : undefined;
}

function readSystem(): MatrixSystem {
  const format = '$(ORIGIN) $(REPO_URI)';
  const targets = output('apt-get', 'indextargets', '--format', format, 'Created-By: Packages');
  return {
    platform: process.platform,
    architecture: targets === undefined ? undefined : output('dpkg', '--print-architecture')?.trim(),
    targets: targets?.split('\n') ?? [],
  };
}

/** Runs a command; its first complaint if it fails. */
function complaintOf(command: string, args: readonly string[], cwd?: string): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env, cwd });
  if (status === 0) return undefined;
  const lines = `${error?.message ?? ''}\n${stderr ?? ''}`.split('\n').filter((line) => line !== '');
  return lines.find((line) => line.startsWith('E:')) ?? lines[0] ?? `${command} failed`;
}

/** Downloads and unpacks everything below `folder`, with apt's whole state in there. */
function fetchInto(folder: string, sources: string): string | undefined {
  const apt = join(folder, 'apt');
  for (const name of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, name), { recursive: true });
  mkdirSync(join(folder, 'root'));
  writeFileSync(join(apt, 'status'), '');
  writeFileSync(join(apt, 'sources.list'), sources);
  const settings = {
    'Dir::State::Lists': join(apt, 'lists'),
    'Dir::State::status': join(apt, 'status'),
    'Dir::Etc::SourceList': join(apt, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Cache': join(apt, 'cache'),
    'Debug::NoLocking': '1',
    'APT::Update::Error-Mode': 'any',
    'Acquire::Retries': '1',
    'Acquire::http::Timeout': '20',
  };
  const options = Object.entries(settings).map(([name, value]) => `-o${name}=${value}`);
  const install = ['-y', '--download-only', '--no-install-recommends', '-t', `${suite}-backports`, 'install'];
  const archives = join(apt, 'cache', 'archives');
  const complaint =
    complaintOf('apt-get', [...options, '-qq', 'update']) ??
    complaintOf('apt-get', [...options, '-qq', ...install, ...packages]) ??
    complaintOf('apt-get', [...options, '-qq', 'download', headers], archives);
  if (complaint !== undefined) return complaint;
  for (const name of readdirSync(archives)) {
    if (!name.endsWith('.deb')) continue;
    const failure = complaintOf('dpkg', ['-x', join(archives, name), join(folder, 'root')]);
    if (failure !== undefined) return failure;
  }
  rmSync(apt, { recursive: true });
  return undefined;
}

/** Never fails: what needs the driver says by itself that it is missing. */
function setUp(): void {
  const folder = matrixDriverFolder();
  if (isWhole(folder)) {
    say(`found ${folder}; nothing to do`);
    return;
  }
  const plan = planFetch(readSystem());
  if (!plan.ok) {
    say(`left out: ${plan.reason}`);
    return;
  }
  say('fetching a software driver with subgroup matrices (about 100 MB, once)');
  let complaint: string | undefined;
  try {
    complaint = fetchTo(folder, plan.sources);
  } catch (error) {
    complaint = (error as Error).message;
  }
  say(complaint === undefined ? `ready: ${folder}` : `left out: ${complaint}`);
}

/** Brings the driver to `folder`, whole or not at all; a complaint if it cannot be had. */
function fetchTo(folder: string, sources: string): string | undefined {
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    const complaint = fetchInto(partial, sources);
    if (complaint !== undefined) return complaint;
    writeManifest(join(partial, 'icd.json'), join(unpackedLibraries(folder), 'libvulkan_lvp.so'));
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
    return undefined;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setUp();
