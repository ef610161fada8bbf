/**
 * The worker that holds the device: models on it, classification, training. One device is open at a time; when it is lost the
 * next call opens another one and loads what was on it again.
 */
import * as Comlink from 'comlink';
import type * as zooc from '../../zoo/api/browser.ts';
import { Classifying } from './classifying.ts';
import { Opened } from './opened.ts';
import { Timing } from './timing.ts';

const opened = new Opened();

export const deviceWorker = {
  /** @throws DiagnosticError Z601 where the browser gives no adapter */
  async facts(): Promise<DeviceFacts> {
    const { name, profile } = await opened.gpu();
    return { name, features: profile.features };
  },
  /** Tells when the device is lost. */
  async onLost(tell: (diagnostics: readonly zooc.Diagnostic[]) => void): Promise<void> {
    opened.onLost = (loss) => tell(loss.diagnostics);
  },
  classifying: Comlink.proxy(new Classifying(opened)),
  timing: Comlink.proxy(new Timing(opened)),
};

export interface DeviceFacts {
  /** The adapter's name. */
  readonly name: string;
  readonly features: readonly string[];
}

export type DeviceWorker = typeof deviceWorker;
