/** What a report knows of a run, gathered from its folder. */
import { z } from 'zod';
import type { PicturesFile } from '../train/pictures.ts';
import type { Curves } from './curves.ts';

const bytes = z.number();

/** One process that trained: from which step on, when, on what. */
const startSchema = z.object({
  step: z.int(),
  /** The step that it was to end before. */
  end: z.int(),
  /** ISO 8601. */
  at: z.string(),
  /** What a reader may need to get the same numbers again, by name: versions, system, processor, adapter. */
  environment: z.record(z.string(), z.string()),
  /** Of one step on the device. */
  plan: z
    .object({ kernels: z.int(), dispatches: z.int(), flops: z.number(), memory: z.record(z.string(), bytes) })
    .optional(),
});
export type Start = z.infer<typeof startSchema>;

export const summarySchema = z.object({
  version: z.literal(1),
  recipe: z.string(),
  model: z.string(),
  /** Pairs in a step. */
  batch: z.int(),
  parameters: z.int(),
  /** Parameters that are trained. */
  trained: z.int(),
  /** The blocks right below the root that have weights. */
  towers: z.array(z.object({ name: z.string(), block: z.string(), parameters: z.int(), trained: z.int() })),
  entries: z.array(
    z.object({ name: z.string(), inputs: z.string(), outputs: z.string(), flops: z.number() }),
  ),
  /** Values by name, as checkpoints are compared by. */
  settings: z.record(z.string(), z.union([z.string(), z.number()])),
  starts: z.array(startSchema),
  /** Absent while a run goes on, and where it was cut. */
  ended: z.object({ steps: z.int(), stopped: z.boolean(), at: z.string() }).optional(),
});
export type Summary = z.infer<typeof summarySchema>;

/** A picture that an evaluation saw and got wrong. */
const wrongSchema = z.object({
  /** Inlined, so that a report holds no path. */
  picture: z.string().regex(/^data:image\/(png|jpeg|webp);base64,[A-Za-z0-9+/=]+$/),
  truth: z.string(),
  /** Best first. */
  best: z.array(z.object({ label: z.string(), probability: z.number() })),
});
export type WrongExample = z.infer<typeof wrongSchema>;

/** One data set of an evaluation's results. */
export const evaluationSchema = z.object({
  dataset: z.string(),
  task: z.string().optional(),
  /** Of a run that went on: steps done. */
  step: z.number().optional(),
  n: z.number().optional(),
  metrics: z.record(z.string(), z.number()),
  wrong: z.array(wrongSchema).optional(),
});
export type Evaluation = z.infer<typeof evaluationSchema>;

export type RunState = 'finished' | 'stopped' | 'training' | 'cut';

export interface RunReport {
  readonly name: string;
  readonly state: RunState;
  readonly curves: Curves;
  /** Absent for runs of versions that did not write it. */
  readonly summary?: Summary;
  /** Texts of programs by name, the recipe first. */
  readonly programs: readonly { readonly name: string; readonly text: string }[];
  /** What resumed runs took over, in words. */
  readonly changes: readonly string[];
  readonly pictures?: PicturesFile;
  readonly evaluations: readonly Evaluation[];
  readonly checkpoints: readonly { readonly step: number; readonly bytes: number; readonly at: string }[];
}
