/**
 * `npm run setup:driver`: gives a machine without a GPU a software Vulkan driver (Mesa's lavapipe), through
 * the system's own package manager.
 *
 * Does nothing where an adapter exists already, so it may run before every test. Dawn refuses Mesa 22, which
 * Debian 12 carries; there the package comes from the distribution's backports. Says what it does and why it
 * cannot.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface System {
  /** Text of /etc/os-release. */
  readonly osRelease: string;
  /** Texts of apt's source files. */
  readonly aptSources: readonly string[];
  readonly root: boolean;
  readonly sudo: boolean;
}

export type Plan =
  | {
      readonly ok: true;
      /** A source to add before the commands, if the suite is not there yet. */
      readonly source?: { readonly path: string; readonly text: string };
      readonly commands: readonly (readonly string[])[];
    }
  | { readonly ok: false; readonly reason: string };

const packages = ['mesa-vulkan-drivers', 'libvulkan1'];
const backportsFile = '/etc/apt/sources.list.d/backports.list';
const debianMirror = 'http://deb.debian.org/debian';

function field(osRelease: string, name: string): string {
  return new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? '';
}

/** The mirror that the system's own sources name for Debian's main archive. */
function mirrorOf(sources: readonly string[]): string {
  for (const text of sources) {
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+\/debian)\/?(?:\s|$)/m.exec(text);
    if (found) return found[1]!;
  }
  return debianMirror;
}

/** The commands that install the driver on this system, or why there are none. */
export function planDriver(system: System): Plan {
  const { osRelease, aptSources, root, sudo } = system;
  const name = field(osRelease, 'PRETTY_NAME') || 'this system';
  const family = `${field(osRelease, 'ID')} ${field(osRelease, 'ID_LIKE')}`.split(' ');
  if (!family.includes('debian') && !family.includes('ubuntu'))
    return {
      ok: false,
      reason: `${name} is not Debian or Ubuntu: install its Vulkan driver of Mesa 24 or newer (lavapipe) by hand`,
    };
  if (!root && !sudo)
    return { ok: false, reason: `installing ${packages[0]} needs root: run this as root, or install sudo` };
  const codename = field(osRelease, 'VERSION_CODENAME');
  if (codename === 'bullseye' || codename === 'focal')
    return {
      ok: false,
      reason: `${name} has no Mesa 24 or newer: Debian 12, Ubuntu 24.04 or newer are needed`,
    };
  const apt = (...args: string[]): string[] => [...(root ? [] : ['sudo']), 'apt-get', ...args];
  const suite = codename === 'bookworm' ? 'bookworm-backports' : undefined;
  const target = suite === undefined ? [] : ['-t', suite];
  const commands = [apt('update'), apt('install', '-y', '--no-install-recommends', ...target, ...packages)];
  if (suite === undefined || aptSources.some((text) => /^(?!\s*#).*\bbookworm-backports\b/m.test(text)))
    return { ok: true, commands };
  const text = `deb ${mirrorOf(aptSources)} ${suite} main\n`;
  return { ok: true, source: { path: backportsFile, text }, commands };
}

function readSystem(): System {
  const folder = '/etc/apt/sources.list.d';
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const sources = ['/etc/apt/sources.list', ...files.filter((f) => /\.(list|sources)$/.test(f))];
  return {
    osRelease: existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '',
    aptSources: sources.filter((f) => existsSync(f)).map((f) => readFileSync(f, 'utf8')),
    root: process.getuid?.() === 0,
    sudo: spawnSync('sudo', ['--version'], { stdio: 'ignore' }).status === 0,
  };
}

/**
 * The name of the adapter that would be used; asked in a process of its own, since a driver is loaded only
 * once.
 */
function findAdapter(): string | undefined {
  const probe = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), '--probe'],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  return probe.status === 0 ? probe.stdout.trim() : undefined;
}

async function probe(): Promise<number> {
  const { listAdapters } = await import('../runtime/node/gpu.ts');
  const used = (await listAdapters({ adapter: '' })).find((a) => a.used);
  if (used === undefined) return 1;
  console.log(used.report.name);
  return 0;
}

function say(text: string): void {
  console.error(`setup:driver: ${text}`);
}

/** Debian's apt never asks here; everything it prints is shown. */
function runCommand(command: readonly string[]): boolean {
  say(command.join(' '));
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command[0]!, command.slice(1), { stdio: 'inherit', env }).status === 0;
}

function addSource({ path, text }: { readonly path: string; readonly text: string }, root: boolean): boolean {
  say(`adding to ${path}: ${text.trim()}`);
  if (root) {
    writeFileSync(path, text);
    return true;
  }
  return spawnSync('sudo', ['tee', path], { input: text, stdio: ['pipe', 'ignore', 'inherit'] }).status === 0;
}

function install(): number {
  const present = findAdapter();
  if (present !== undefined) {
    say(`found ${present}; nothing to do`);
    return 0;
  }
  if (process.platform !== 'linux') {
    say(`no WebGPU adapter, and no driver can be installed on ${process.platform} from here`);
    return 1;
  }
  const system = readSystem();
  const plan = planDriver(system);
  if (!plan.ok) {
    say(plan.reason);
    return 1;
  }
  say('no WebGPU adapter found; installing a software Vulkan driver (Mesa lavapipe)');
  if (plan.source !== undefined && !addSource(plan.source, system.root)) {
    say(`could not write ${plan.source.path}`);
    return 1;
  }
  for (const command of plan.commands) {
    if (runCommand(command)) continue;
    say(`failed: ${command.join(' ')}`);
    // One unreachable source fails an update, and need not be the one that has the driver.
    if (!command.includes('update')) return 1;
  }
  const installed = findAdapter();
  say(
    installed === undefined
      ? 'the driver is installed, but there is still no adapter'
      : `ready: ${installed}`,
  );
  return installed === undefined ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = process.argv.includes('--probe') ? await probe() : install();
