/**
 * The worker that holds the device: models on it, classification, training. One device is open at a time; when it is lost the
 * next call opens another one and loads what was on it again.
 */
import * as Comlink from 'comlink';
import type * as zooc from '../../zoo/api/browser.ts';
import { Classifying } from './classifying.ts';
import { Checking } from './compare/checking.ts';
import { Comparing } from './compare/comparing.ts';
import { Timing } from './explore/timing.ts';
import { Opened } from './opened.ts';
import { Training } from './train/training.ts';

const opened = new Opened();

export const deviceWorker = {
  /** @throws DiagnosticError Z601 where the browser gives no adapter */
  async facts(): Promise<DeviceFacts> {
    const { adapter, profile } = await opened.gpu();
    return { name: shownName(adapter), adapter, features: profile.features };
  },
  /** Tells when the device is lost. */
  async onLost(tell: (diagnostics: readonly zooc.Diagnostic[]) => void): Promise<void> {
    opened.onLost = (loss) => tell(loss.diagnostics);
  },
  classifying: Comlink.proxy(new Classifying(opened)),
  timing: Comlink.proxy(new Timing(opened)),
  training: Comlink.proxy(new Training(opened)),
  comparing: Comlink.proxy(new Comparing(opened)),
  checking: Comlink.proxy(new Checking(opened)),
};

/** Browsers often hide all but the vendor: then the architecture says more. */
function shownName({ name, architecture }: zooc.AdapterReport): string {
  return name.toLowerCase().includes(architecture.toLowerCase()) ? name : `${name} ${architecture}`;
}

export interface DeviceFacts {
  /** What it is called, for people. */
  readonly name: string;
  readonly adapter: zooc.AdapterReport;
  /** Those of its features that the compiler may use. */
  readonly features: readonly string[];
}

export type DeviceWorker = typeof deviceWorker;
