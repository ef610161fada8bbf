/**
 * Proves that a plan is safe to run: bindings lie in their buffers, aligned, within the device's limits, and
 * no dispatch binds overlapping bytes that it may write. Only verified plans reach a device, by type.
 */
import type { DeviceProfile } from '../profile.ts';
import { ownParts } from '../shards.ts';
import { touches } from './ready.ts';
import {
  type BufferRange,
  type ChunkCopy,
  type GradientPiece,
  type Plan,
  type PlanSection,
  type PlanStep,
  sectionsAt,
  stateSlots,
  type VerifiedPlan,
  type WeightSlot,
} from './types.ts';

function faultOf(plan: Plan, step: PlanStep, profile: DeviceProfile): string | undefined {
  const { limits } = profile;
  const pipeline = plan.pipelines[step.pipeline];
  if (!pipeline) return `pipeline ${step.pipeline} does not exist`;
  if (pipeline.bindings.length !== step.bindings.length) return 'its bindings do not match its pipeline';
  if (step.bindings.length > limits.maxStorageBuffersPerShaderStage) {
    return `${step.bindings.length} bindings, the device allows ${limits.maxStorageBuffersPerShaderStage}`;
  }
  for (const { buffer, offset, size } of step.bindings) {
    const target = plan.buffers[buffer];
    if (!target) return `buffer ${buffer} does not exist`;
    if (offset % limits.minStorageBufferOffsetAlignment !== 0) return `offset ${offset} is not aligned`;
    if (offset + size > target.bytes)
      return `bytes ${offset}..${offset + size} of a buffer of ${target.bytes}`;
    if (size > limits.maxStorageBufferBindingSize) return `a binding of ${size} bytes`;
  }
  for (let i = 0; i < step.bindings.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [step.bindings[i]!, step.bindings[j]!];
      const overlap = a.buffer === b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
      const writes = pipeline.bindings[i] === 'read_write' || pipeline.bindings[j] === 'read_write';
      if (overlap && writes) return `bindings ${j} and ${i} overlap`;
      if (a.buffer === b.buffer && pipeline.bindings[i] !== pipeline.bindings[j]) {
        return `bindings ${j} and ${i} read and write one buffer`;
      }
    }
  }
  if (step.workgroups.some((n) => n < 1 || n > limits.maxComputeWorkgroupsPerDimension)) {
    return `${step.workgroups.join('×')} workgroups`;
  }
  return undefined;
}

function copyFault(plan: Plan, { from, to, bytes, advances }: ChunkCopy, repeat: number): string | undefined {
  const fits = ({ buffer, offset }: BufferRange, times: number) =>
    offset >= 0 && offset % 4 === 0 && offset + bytes * times <= (plan.buffers[buffer]?.bytes ?? -1);
  if (bytes % 4 !== 0 || bytes <= 0) return `a copy of ${bytes} bytes`;
  if (from.buffer === to.buffer) return 'a copy within one buffer';
  const [reads, writes] = [advances === 'from' ? repeat : 1, advances === 'to' ? repeat : 1];
  return fits(from, reads) && fits(to, writes) ? undefined : 'a copy passes the end of its buffer';
}

/** Sections follow each other over all steps and repeat once or for every chunk. */
function sectionFault(plan: Plan, section: PlanSection, first: number): string | undefined {
  const { repeat, end } = section;
  const chunks = plan.batch / (plan.chunk ?? plan.batch);
  if (section.first !== first || end < first || end > plan.steps.length)
    return `it has steps ${section.first}..${end}, not from ${first} on`;
  if (!Number.isInteger(chunks) || (repeat !== 1 && repeat !== chunks)) return `it repeats ${repeat} times`;
  if (section.clears.some((id) => plan.buffers[id] === undefined)) return 'it clears a buffer that is none';
  for (const copy of [...section.before, ...section.after]) {
    const fault = copyFault(plan, copy, repeat);
    if (fault) return fault;
  }
  if (section.parts && !holds(plan, section.parts, section.parts.bytes, section.parts.part))
    return 'parts of ranks pass the end of their buffer';
  return undefined;
}

/** Whether a buffer holds bytes, which are whole numbers of f32, as are their parts. */
function holds({ buffers }: Plan, { buffer, offset }: BufferRange, bytes: number, part = 4): boolean {
  const whole = [offset, bytes, part].every((n) => n >= 0 && n % 4 === 0) && part > 0;
  return whole && offset + bytes <= (buffers[buffer]?.bytes ?? -1);
}

/** What ranks divide lies in the arena of gradients, and this rank's parts of it in the buffer that keeps them. */
function verifyShard(plan: Plan): void {
  const { share, shard } = plan;
  if (shard === undefined) return;
  if (share === undefined) throw new Error('what the optimizer keeps is divided among no ranks');
  const { part, kept } = shard;
  const arena = plan.buffers.find((b) => b.role === 'gradients')!;
  const own = ownParts(arena.bytes / 4, part, share).reduce((sum, p) => sum + p.elements, 0);
  for (const { name, buffer, offset, shape } of kept) {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    if (!holds(plan, { buffer, offset: 0 }, 4 * own) || !holds(plan, { buffer: arena.id, offset }, bytes))
      throw new Error(`${name} passes the end of what ranks divide`);
  }
}

/** Gradients that are exchanged early are all of them, each once, and no step touches them any more but the update. */
function verifyReady({ buffers, steps }: Plan, sections: readonly PlanSection[]): void {
  const found = sections.flatMap(({ ready = [], end }) => ready.map((piece) => ({ piece, end })));
  if (found.length === 0) return;
  const arena = buffers.find((b) => b.role === 'gradients')!;
  let at = 0;
  for (const { piece, end } of found.sort((a, b) => a.piece.offset - b.piece.offset)) {
    if (piece.buffer !== arena.id || piece.offset !== at)
      throw new Error('gradients are exchanged twice or never');
    at += piece.bytes;
    const later = sections.filter((s) => s.name !== 'update' && s.first >= end);
    if (later.some((s) => steps.slice(s.first, s.end).some((step) => touches(step, piece))))
      throw new Error('gradients are exchanged before they are complete');
  }
  if (at !== arena.bytes) throw new Error('gradients are exchanged twice or never');
}

function verifySections(plan: Plan): void {
  if (plan.sections === undefined) return;
  let first = 0;
  for (const section of plan.sections) {
    const fault = sectionFault(plan, section, first);
    if (fault) throw new Error(`the plan's section ${section.name} is wrong: ${fault}`);
    first = section.end;
  }
  if (first !== plan.steps.length) throw new Error("the plan's sections leave steps out");
  for (const length of plan.texts?.lengths ?? [undefined]) verifyReady(plan, sectionsAt(plan, length));
}

/**
 * Staged groups follow each other to the end of `setup`, a weight in the staging buffer belongs to one of them and
 * overlaps no other of it, and steps read that buffer only where weights of their own group lie.
 */
function verifyStaged(plan: Plan): void {
  const { buffers, staged = [], setup, steps, weights } = plan;
  const staging = new Set(buffers.filter(({ role }) => role === 'staging').map(({ id }) => id));
  const rangeOf = ({ name, buffer, offset, shape }: WeightSlot) => ({
    name,
    buffer,
    offset,
    bytes: 4 * shape.reduce((a, b) => a * b, 1),
  });
  const passing = weights.filter(({ buffer }) => staging.has(buffer)).map(rangeOf);
  const grouped = staged.flatMap((group) => group.weights);
  if (grouped.length !== passing.length || passing.some(({ name }) => !grouped.includes(name)))
    throw new Error('staged groups are not of the weights in the staging buffer');
  let first = staged[0]?.first ?? setup.length;
  const foreign = [...setup.slice(0, first), ...steps];
  if (foreign.some(({ bindings }) => bindings.some(({ buffer }) => staging.has(buffer))))
    throw new Error('a step outside of staged groups reads their weights');
  for (const group of staged) {
    const own = passing.filter(({ name }) => group.weights.includes(name));
    const apart = own.every((a) => own.every((b) => a === b || !touches({ bindings: [asBinding(a)] }, b)));
    const reads = setup.slice(group.first, group.end).flatMap(({ bindings }) => bindings);
    const inside = (b: BufferRange & { readonly size: number }) =>
      !staging.has(b.buffer) || own.some((w) => touches({ bindings: [b] }, w));
    if (group.first !== first || group.end <= first || !apart || !reads.every(inside))
      throw new Error(`the staged group of ${group.weights.join(', ')} is wrong`);
    first = group.end;
  }
  if (first !== setup.length) throw new Error('staged groups leave steps out');
}

const asBinding = ({ buffer, offset, bytes }: GradientPiece) => ({ buffer, offset, size: bytes });

/** Throws (a defect of ours) at the first fault. */
export function verifyPlan(plan: Plan, profile: DeviceProfile): VerifiedPlan {
  for (const buffer of plan.buffers) {
    if (buffer.bytes > profile.limits.maxBufferSize)
      throw new Error(`buffer ${buffer.id} (${buffer.role}) is too large`);
  }
  for (const step of [...plan.setup, ...plan.steps]) {
    const fault = faultOf(plan, step, profile);
    if (fault) throw new Error(`the plan's step ${step.label} is wrong: ${fault}`);
  }
  verifySections(plan);
  verifyStaged(plan);
  verifyShard(plan);
  for (const slot of [...stateSlots(plan), ...plan.inputs, ...plan.outputs]) {
    const bytes = 4 * slot.shape.reduce((a, b) => a * b, 1);
    if (slot.offset + bytes > plan.buffers[slot.buffer]!.bytes)
      throw new Error(`${slot.name} passes its buffer's end`);
  }
  return plan as VerifiedPlan;
}
