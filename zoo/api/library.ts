/** What both entries of the library do, over their platform, which is made when it is first needed. */
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import { Gpu } from './gpu.ts';
import { checkText, ZooModel } from './model.ts';
import type { Platform } from './platform.ts';
import type { OpenOptions, Settings } from './types.ts';

export interface Library {
  model(source: string, settings?: Settings, name?: string): ZooModel;
  check(text: string): readonly Diagnostic[];
  open(options?: OpenOptions): Promise<Gpu>;
}

export function libraryOf(platform: () => Platform): Library {
  let made: Platform | undefined;
  const get = () => {
    made ??= platform();
    return made;
  };
  return {
    model: (source, settings = {}, name) => ZooModel.from(get(), source, settings, name),
    check: (text) => checkText(get().host, text),
    open: async (options = {}) => Gpu.open(get(), options),
  };
}
