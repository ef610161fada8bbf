/** The bundled packages as texts, which the build puts into the bundle; a page has no other files of the language. */
import { texts } from 'zooc:lib';
import type { ModuleHost } from '../../../compiler/model/types.ts';

export function pageHost(): ModuleHost {
  return {
    read: () => undefined,
    resolve: () => undefined,
    bundled: (name) =>
      Object.hasOwn(texts, name) ? { path: `zooc:${name}`, text: texts[name]! } : undefined,
    bundledNames: () => Object.keys(texts),
  };
}
