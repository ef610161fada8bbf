/**
 * Kernels to a plan: places every storage in a buffer, prints each kernel's bindings, shares equal pipelines.
 *
 * A buffer bound both for reading and writing in one dispatch is an error in WebGPU, so all of a kernel's
 * bindings into a buffer it writes are `read_write`. Storages never overlap while both are alive, which
 * `verifyPlan` proves again.
 */
import { fail } from '../../grammar/diagnostics.ts';
import { alignUp } from '../graph/dims.ts';
import { sizeOf } from '../graph/types.ts';
import type { Lowered } from '../kernels/lowering/lower.ts';
import type { Kernel, KernelArg } from '../kernels/text/kernel.ts';
import { bindingType, elementBytes, extensionsOf } from '../kernels/text/memory.ts';
import type { Storage } from '../kernels/text/view.ts';
import type { DeviceProfile } from '../profile.ts';
import { type ArenaLayout, layOut } from './layout.ts';
import { type MemoryPlan, planMemory } from './memory.ts';
import type {
  BufferRole,
  PlanBinding,
  PlanBuffer,
  PlanPipeline,
  PlanStep,
  RankExchange,
  RankParts,
} from './types.ts';

export interface Assembled {
  readonly buffers: readonly PlanBuffer[];
  readonly pipelines: readonly PlanPipeline[];
  readonly setup: readonly PlanStep[];
  readonly steps: readonly PlanStep[];
  /** What ranks exchange, by the number of the step behind which they do. */
  readonly exchanges: ReadonlyMap<number, RankExchange>;
  /** What ranks hand each other, by the number of steps behind which they do. */
  readonly parts: ReadonlyMap<number, RankParts>;
  readonly workspace: MemoryPlan;
  /** Buffer id and byte offset of a named thing: a weight, a gradient, an input or output. */
  locate(role: BufferRole, name: string): { buffer: number; offset: number };
}

/** Arenas whose layout is known before memory is planned. */
export type Arenas = ReadonlyMap<BufferRole, ArenaLayout>;

class Assembler {
  readonly profile: DeviceProfile;
  readonly buffers: PlanBuffer[] = [];
  readonly pipelines: PlanPipeline[] = [];
  readonly #arenas: Map<BufferRole, ArenaLayout>;
  readonly #workspace: MemoryPlan;
  readonly #ids = new Map<string, number>();
  readonly #byText = new Map<string, number>();
  readonly #labels = new Map<string, number>();

  constructor(profile: DeviceProfile, arenas: Arenas, workspace: MemoryPlan) {
    this.profile = profile;
    this.#arenas = new Map(arenas);
    this.#workspace = workspace;
    for (const [role, { parts }] of this.#arenas) this.#addBuffers(role, parts);
    this.#addBuffers('workspace', workspace.parts);
  }

  #addBuffers(role: BufferRole, parts: readonly number[]): void {
    parts.forEach((bytes, part) => {
      this.#ids.set(`${role}.${part}`, this.buffers.length);
      this.buffers.push({ id: this.buffers.length, role, bytes });
    });
  }

  locate(role: BufferRole, name: string): { buffer: number; offset: number } {
    const place = this.#arenas.get(role)?.places.get(name);
    if (!place) throw new Error(`${name} has no place in the ${role} arena`);
    return { buffer: this.#ids.get(`${role}.${place.part}`)!, offset: place.offset };
  }

  #place(storage: Storage): { buffer: number; offset: number } {
    const { place, name } = storage;
    if (place === 'workspace') {
      const at = this.#workspace.places.get(storage.id)!;
      return { buffer: this.#ids.get(`workspace.${at.part}`)!, offset: at.offset };
    }
    const role = this.#roleOf(storage);
    // A fixed storage without a name is its whole (single-part) arena.
    if (name === undefined && place !== 'derived') return { buffer: this.#ids.get(`${role}.0`)!, offset: 0 };
    return this.locate(role, storageKey(storage));
  }

  #roleOf({ place, name }: Storage): BufferRole {
    if (place === 'weights' && this.#arenas.get('staging')?.places.has(name!)) return 'staging';
    return place === 'input' || place === 'output' ? 'io' : place;
  }

  #binding(arg: KernelArg): PlanBinding {
    const { buffer, offset } = this.#place(arg.storage);
    const start = arg.window?.start ?? 0;
    const elements = arg.window?.elements ?? arg.storage.elements;
    // Places are aligned, so rounding a binding up to a whole vec4 stays inside its own place.
    const each = elementBytes(arg.storage);
    const size = alignUp(each * elements, 16);
    const most = this.profile.limits.maxStorageBufferBindingSize;
    if (size > most) {
      fail(
        'Z605',
        `${arg.storage.label} takes ${mebibytes(size)} MiB, more than one binding of this device may (${mebibytes(most)} MiB)`,
        'use a smaller batch',
      );
    }
    return { buffer, offset: offset + each * start, size };
  }

  step(kernel: Kernel): PlanStep {
    const bindings = kernel.args.map((arg) => this.#binding(arg));
    const written = new Set(
      bindings.filter((_, i) => kernel.args[i]!.access === 'read_write').map((b) => b.buffer),
    );
    const access = bindings.map((b) => (written.has(b.buffer) ? ('read_write' as const) : ('read' as const)));
    const declarations = kernel.args.map(
      (arg, i) => `@group(0) @binding(${i}) var<storage, ${access[i]}> ${arg.name}: ${bindingType(arg)};`,
    );
    const enables = extensionsOf(kernel).map((extension) => `enable ${extension};\n`);
    const wgsl = `${enables.join('')}${declarations.join('\n')}\n\n${kernel.body}`;
    const where = kernel.origin.path === '' ? kernel.name : `${kernel.origin.path}: ${kernel.name}`;
    return {
      pipeline: this.#pipeline(kernel.name, wgsl, access),
      bindings,
      workgroups: kernel.workgroups,
      label: where,
      flops: kernel.flops,
      bytes: kernel.bytes,
      ...(kernel.schedule === undefined ? {} : { schedule: kernel.schedule }),
    };
  }

  exchange({ kind, view }: NonNullable<Kernel['exchanged']>): RankExchange {
    const { buffer, offset } = this.#place(view.storage);
    return { kind, buffer, offset: offset + 4 * view.offset, bytes: 4 * sizeOf(view.shape) };
  }

  /** The place of f32 in parts of so many elements. */
  parts(storage: Storage, part: number): RankParts {
    return { ...this.#place(storage), bytes: 4 * storage.elements, part: 4 * part };
  }

  #pipeline(name: string, wgsl: string, bindings: PlanPipeline['bindings']): number {
    const known = this.#byText.get(wgsl);
    if (known !== undefined) return known;
    const count = (this.#labels.get(name) ?? 0) + 1;
    this.#labels.set(name, count);
    const id = this.pipelines.length;
    this.pipelines.push({ id, label: `${name}.${count}`, wgsl, bindings });
    this.#byText.set(wgsl, id);
    return id;
  }
}

export const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

/** Name of a storage within its arena; inputs and outputs share one and must not meet. */
function storageKey(storage: Storage): string {
  if (storage.place === 'derived') return `derived ${storage.id}`;
  return storage.place === 'input' || storage.place === 'output'
    ? `${storage.place} ${storage.name}`
    : storage.name!;
}

const bytesOf = (storage: Storage) => elementBytes(storage) * storage.elements;

/**
 * First and last use of every workspace storage.
 * @throws DiagnosticError Z605 where one alone passes the limit of a buffer
 */
function lifetimes(kernels: readonly Kernel[], limit: number) {
  const lives = new Map<number, { id: number; bytes: number; first: number; last: number }>();
  kernels.forEach((kernel, step) => {
    for (const { storage } of kernel.args) {
      if (storage.place !== 'workspace') continue;
      const life = lives.get(storage.id);
      if (bytesOf(storage) > limit)
        fail(
          'Z605',
          `${storage.label} takes ${mebibytes(bytesOf(storage))} MiB, more than one buffer of this device may (${mebibytes(limit)} MiB)`,
          'use a smaller batch',
        );
      if (life) life.last = step;
      else lives.set(storage.id, { id: storage.id, bytes: bytesOf(storage), first: step, last: step });
    }
  });
  return [...lives.values()];
}

/** Storages of a kind, each once, in order of first use. */
function storagesAt(kernels: readonly Kernel[], places: readonly Storage['place'][]): Storage[] {
  const found = new Map<string, Storage>();
  for (const { args } of kernels) {
    for (const { storage } of args)
      if (places.includes(storage.place)) found.set(storageKey(storage), storage);
  }
  return [...found.values()];
}

/**
 * Puts lowered kernels into buffers. `arenas` brings weights, gradients and moments; io, derived and
 * workspace are laid out here.
 */
export function assemble(
  lowered: Lowered,
  profile: DeviceProfile,
  arenas: Arenas,
  inputs: readonly Storage[],
): Assembled {
  const { minStorageBufferOffsetAlignment: alignment, maxBufferSize: limit } = profile.limits;
  const all = [...lowered.setup, ...lowered.kernels];
  const workspace = planMemory(lifetimes(lowered.kernels, limit), alignment, limit);
  const items = (storages: readonly Storage[]) =>
    storages.map((s) => ({ name: storageKey(s), bytes: bytesOf(s) }));
  const io = storagesAt(all, ['input', 'output']);
  const unused = inputs.filter((input) => !io.some((s) => storageKey(s) === storageKey(input)));
  const assembler = new Assembler(
    profile,
    new Map([
      ...arenas,
      ['io', layOut(items([...io, ...unused]), alignment, limit)],
      ['derived', layOut(items(storagesAt(all, ['derived'])), alignment, limit)],
    ]),
    workspace,
  );
  const setup = lowered.setup.map((kernel) => assembler.step(kernel));
  const steps = lowered.kernels.map((kernel) => assembler.step(kernel));
  return {
    buffers: assembler.buffers,
    pipelines: assembler.pipelines,
    setup,
    steps,
    exchanges: new Map(
      lowered.kernels.flatMap(({ exchanged }, i) =>
        exchanged === undefined ? [] : [[i, assembler.exchange(exchanged)] as const],
      ),
    ),
    parts: new Map(
      (lowered.handed ?? []).map(({ behind, storage, part }) => [behind, assembler.parts(storage, part)]),
    ),
    workspace,
    locate: (role, name) => assembler.locate(role, name),
  };
}
