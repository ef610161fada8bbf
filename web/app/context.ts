/** What all parts of the page share. */
import type { Remote } from 'comlink';
import type { DeviceWorker } from '../worker/device.ts';
import type { LanguageWorker } from '../worker/language.ts';
import type { Program } from './program.ts';

export interface Context {
  readonly device: Remote<DeviceWorker>;
  readonly language: Remote<LanguageWorker>;
  /** The text that is written, explored and trained. */
  readonly program: Program;
  /** Shows what went wrong until the next attempt of the same part; undefined takes it away. */
  report(error: unknown): void;
  /** Shows another part. */
  show(part: PartName): void;
}

export const partNames = ['try', 'write', 'explore', 'train', 'compare'] as const;
export type PartName = (typeof partNames)[number];

/** One part of the page, made when it is first shown. */
export interface Part {
  readonly element: HTMLElement;
  /** Whenever it comes into view again. */
  shown?(): void;
}
