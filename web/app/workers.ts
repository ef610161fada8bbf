/** The page's two workers, started when the page is. */
import * as Comlink from 'comlink';
import type { DeviceWorker } from '../worker/device.ts';
import { carryFailures } from '../worker/failures.ts';
import type { LanguageWorker } from '../worker/language.ts';

carryFailures();

// The bundler finds workers by this form alone.

export function startDevice(): Comlink.Remote<DeviceWorker> {
  return Comlink.wrap(
    new Worker(new URL('../worker/main.ts', import.meta.url), { type: 'module', name: 'device' }),
  );
}

export function startLanguage(): Comlink.Remote<LanguageWorker> {
  return Comlink.wrap(
    new Worker(new URL('../worker/main.ts', import.meta.url), { type: 'module', name: 'language' }),
  );
}
