/**
 * Steps and copies of a plan as WebGPU commands: what a session records for every run, and
 * nothing that it remembers.
 */
import type { ChunkCopy, PlanStep } from '../../compiler/plan/types.ts';
import type { Span } from '../submits.ts';

/** Steps with a bind group each, cut into submits. */
export interface Program {
  readonly steps: readonly PlanStep[];
  readonly groups: readonly GPUBindGroup[];
  readonly spans: readonly Span[];
}

/**
 * The steps of one span in one pass.
 * @param named put each step's label on Dawn's debug stack, so that an error names it
 */
export function encodePass(
  encoder: GPUCommandEncoder,
  pipelines: readonly GPUComputePipeline[],
  { steps, groups }: Program,
  { start, end }: Span,
  named: boolean,
): void {
  const pass = encoder.beginComputePass();
  let current = -1;
  for (let i = start; i < end; i++) {
    const step = steps[i]!;
    if (named) pass.pushDebugGroup(step.label);
    if (step.pipeline !== current) pass.setPipeline(pipelines[step.pipeline]!);
    current = step.pipeline;
    pass.setBindGroup(0, groups[i]!);
    pass.dispatchWorkgroups(step.workgroups[0], step.workgroups[1], step.workgroups[2]);
    if (named) pass.popDebugGroup();
  }
  pass.end();
}

/** One of a section's copies; the side that advances moves on by `bytes` with each repetition. */
export function encodeCopy(
  encoder: GPUCommandEncoder,
  buffers: readonly GPUBuffer[],
  { from, to, bytes, advances }: ChunkCopy,
  repetition: number,
): void {
  const [source, target] = [buffers[from.buffer]!, buffers[to.buffer]!];
  const on = bytes * repetition;
  const [read, write] = advances === 'from' ? [on, 0] : [0, on];
  encoder.copyBufferToBuffer(source, from.offset + read, target, to.offset + write, bytes);
}
