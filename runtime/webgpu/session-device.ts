/** What sessions know of their device, which knows them: the arrow between the two files runs one way. */
import type { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { Device } from '../types.ts';

/** What a session asks of the device that opened it. */
export interface SessionDevice extends Pick<Device, 'profile'> {
  readonly gpu: GPUDevice;
  /** The first error that nobody was there to catch; every later call throws it. */
  failure: DiagnosticError | undefined;
  /** Throws what went wrong on this device, if anything did. */
  check(): void;
  /** Creates a buffer and counts it. @param usage flags of `bufferUsage` */
  createBuffer(label: string, size: number, usage: number): GPUBuffer;
  destroyBuffer(buffer: GPUBuffer): void;
  /** Runs `make` inside error scopes. @param doing what to name in an error */
  scoped<T>(doing: string, make: () => T): Promise<Awaited<T>>;
}
