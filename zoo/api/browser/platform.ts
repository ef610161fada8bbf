/** What the library needs of a page. */
import { version } from 'zooc:lib';
import { avoiding } from '../../../compiler/kernels/schedules/schedules.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { fetchBytes } from '../bytes.ts';
import type { Platform } from '../platform.ts';
import { bytesWeights } from '../weights.ts';
import { openPageDevice } from './device.ts';
import { fitOnPage } from './fit.ts';
import { page } from './globals.ts';
import { pageHost } from './host.ts';

export function pagePlatform(): Platform {
  const host = pageHost();
  return {
    host,
    openDevice: ({ avoid = [] }) => openPageDevice((profile) => avoiding(profile, avoid)),
    versions: async () => ({ zooc: version, browser: page.navigator.userAgent }),
    readBytes: fetchBytes,
    openWeights: async (model, source) => bytesWeights(model, await fetchBytes(source), host, String(source)),
    fit: fitOnPage,
    merges: async () =>
      fail(
        'Z414',
        'texts take the merges of CLIP, which a page has to be given',
        "zooc.useMerges('merges.txt'), a file that zooc.merges() makes in Node",
      ),
  };
}
