/**
 * SVG, which is a program as much as a picture: a process of its own renders it within limits of pixels, CPU time
 * and memory, and is ended where rendering goes beyond, which no thread could be.
 *
 * One process a thread, started by the first SVG and used again.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { Unusable } from '../../../drops.ts';
import { fromSource, ownProgram } from '../../../node/own-files.ts';
import type { Opened } from '../decoded.ts';
import { Room } from '../room.ts';

/** 2048 x 2048, far above what models see; cost grows with pixels, not with the file. */
const mostPixels = 2 ** 22;

export interface SvgLimits {
  readonly cpuSeconds: number;
  /** Memory beyond that of the idle process. */
  readonly bytes: number;
}

const usualLimits: SvgLimits = { cpuSeconds: 5, bytes: 512 * 2 ** 20 };

/** Exit codes of the process that it ends itself with. */
export const overTime = 11;
export const overMemory = 12;

export interface SvgRequest {
  readonly svg: Uint8Array;
  readonly maxPixels: number;
  readonly limits: SvgLimits;
}

/** Without data where there are more pixels than asked for. */
export type SvgAnswer =
  | { readonly width: number; readonly height: number; readonly channels: number; readonly data?: Uint8Array }
  | { readonly reason: string };

const one = new Room(1);
let renderer: ChildProcess | undefined;

function start(): ChildProcess {
  const child = fork(ownProgram('runtime/data/pictures/formats/svg-renderer'), [], {
    // Run from source, it has to learn TypeScript first.
    execArgv: fromSource ? ['--import', import.meta.resolve('tsx')] : [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  // It must not keep the process alive while it has nothing to do.
  child.unref();
  return child;
}

function ended(code: number | null, signal: string | null, limits: SvgLimits): Error {
  if (code === overTime) return new Error(`rendering takes more than ${limits.cpuSeconds} s of CPU time`);
  if (code === overMemory)
    return new Error(`rendering takes more than ${limits.bytes / 2 ** 20} MiB of memory`);
  return new Error(`the process that renders it ended (${signal ?? code})`);
}

function render(request: SvgRequest): Promise<SvgAnswer> {
  const child = renderer?.connected === true ? renderer : start();
  renderer = child;
  child.channel?.ref();
  return new Promise<SvgAnswer>((resolve, reject) => {
    const gone = (error: Error) => {
      renderer = undefined;
      child.removeAllListeners();
      reject(error);
    };
    child.once('error', gone);
    child.once('exit', (code, signal) => gone(ended(code, signal, request.limits)));
    child.once('message', (answer) => {
      child.removeAllListeners();
      child.channel?.unref();
      resolve(answer as SvgAnswer);
    });
    child.send(request);
  });
}

/** @throws Error with the reason */
export function openSvg(svg: Uint8Array, maxPixels: number, limits = usualLimits): Promise<Opened> {
  return one.use(1, async () => {
    const limit = Math.min(maxPixels, mostPixels);
    const answer = await render({ svg, maxPixels: limit, limits });
    if ('reason' in answer) throw new Error(answer.reason);
    const { width, height, channels, data } = answer;
    if (data === undefined)
      throw new Unusable(
        'too_large',
        `it has ${width} x ${height} pixels, above the limit of ${limit} pixels of an SVG`,
      );
    const mode = channels === 4 ? 'alpha' : 'colours';
    return { width, height, bytes: data.length, decode: () => ({ width, height, channels, data, mode }) };
  });
}
