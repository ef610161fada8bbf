/** What both entries of the library do, over their platform, which is made when it is first needed. */
import type { ModuleHost } from '../../compiler/model/types.ts';
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import { bundledModels } from '../bundled.ts';
import { Gpu } from './gpu.ts';
import { mergesText, readMerges } from './merges.ts';
import { checkText, ZooModel } from './model.ts';
import type { Platform } from './platform.ts';
import type { BytesInput, OpenOptions, Settings } from './types.ts';

export interface Library {
  model(source: string, settings?: Settings, name?: string): ZooModel;
  check(text: string): readonly Diagnostic[];
  models(): readonly string[];
  open(options?: OpenOptions): Promise<Gpu>;
  merges(vocab?: number): Promise<string>;
  useMerges(source: BytesInput): void;
  useFiles(files: Readonly<Record<string, string>>): void;
}

/** The file that `spec` names when imported from `from`, by text alone: `./a/../b.zoo`. */
function joined(spec: string, from: string): string {
  const parts: string[] = [];
  for (const part of [...from.split('/').slice(0, -1), ...spec.split('/')]) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Texts by path in front of the files of a host. */
function withFiles(host: ModuleHost, files: ReadonlyMap<string, string>): ModuleHost {
  return {
    ...host,
    read: (path) => files.get(path) ?? host.read(path),
    resolve(spec, from) {
      const path = /^\.{1,2}\//.test(spec) ? joined(spec, from) : undefined;
      return path !== undefined && files.has(path) ? path : host.resolve(spec, from);
    },
  };
}

export function libraryOf(platform: () => Platform): Library {
  let made: Platform | undefined;
  let given: BytesInput | undefined;
  const files = new Map<string, string>();
  const get = () => {
    if (made !== undefined) return made;
    const own = platform();
    const merges = (count: number) =>
      given === undefined ? own.merges(count) : readMerges(own, given, count);
    made = { ...own, host: withFiles(own.host, files), merges };
    return made;
  };
  return {
    model: (source, settings = {}, name) => ZooModel.from(get(), source, settings, name),
    models: () => bundledModels(get().host),
    check: (text) => checkText(get().host, text),
    open: async (options = {}) => Gpu.open(get(), options),
    merges: async (vocab) => mergesText(get(), vocab),
    useMerges(source) {
      given = source;
    },
    useFiles(texts) {
      for (const [path, text] of Object.entries(texts)) files.set(path, text);
    },
  };
}
