/** What both entries of the library do, over their platform, which is made when it is first needed. */
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import { Gpu } from './gpu.ts';
import { mergesText, readMerges } from './merges.ts';
import { checkText, ZooModel } from './model.ts';
import type { Platform } from './platform.ts';
import type { BytesInput, OpenOptions, Settings } from './types.ts';

export interface Library {
  model(source: string, settings?: Settings, name?: string): ZooModel;
  check(text: string): readonly Diagnostic[];
  open(options?: OpenOptions): Promise<Gpu>;
  merges(vocab?: number): Promise<string>;
  useMerges(source: BytesInput): void;
}

export function libraryOf(platform: () => Platform): Library {
  let made: Platform | undefined;
  let given: BytesInput | undefined;
  const get = () => {
    if (made !== undefined) return made;
    const own = platform();
    const merges = (count: number) =>
      given === undefined ? own.merges(count) : readMerges(own, given, count);
    made = { ...own, merges };
    return made;
  };
  return {
    model: (source, settings = {}, name) => ZooModel.from(get(), source, settings, name),
    check: (text) => checkText(get().host, text),
    open: async (options = {}) => Gpu.open(get(), options),
    merges: async (vocab) => mergesText(get(), vocab),
    useMerges(source) {
      given = source;
    },
  };
}
