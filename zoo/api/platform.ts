/** What a platform (Node, a browser) has to bring. */
import type { Model, ModuleHost } from '../../compiler/model/types.ts';
import type { FitSettings } from '../../runtime/data/pictures/fit.ts';
import type { Device } from '../../runtime/types.ts';
import type { AdapterReport } from '../../runtime/webgpu/adapter.ts';
import type { WeightSource } from '../weights/source.ts';
import type { OpenOptions, PictureInput, PixelsInput } from './types.ts';

export interface OpenedDevice {
  readonly report: AdapterReport;
  readonly device: Device;
}

/** What browsers and Node do in ways of their own. */
export interface Platform {
  /** Reads `.zoo` files and the bundled packages. */
  readonly host: ModuleHost;
  openDevice(options: OpenOptions): Promise<OpenedDevice>;
  /** zooc, and what runs it and its devices. */
  versions(): Promise<Readonly<Record<string, string>>>;
  /** The bytes of a file or an address. @throws DiagnosticError Z701 */
  readBytes(source: string | URL): Promise<Uint8Array>;
  /** Weights that are named, not given as bytes. */
  openWeights(model: Model, source: string | URL): Promise<WeightSource>;
  /** RGB bytes [size, size, 3]. @throws Error with the reason */
  fit(picture: Exclude<PictureInput, PixelsInput>, settings: FitSettings): Promise<Uint8Array>;
  /** CLIP's merges in their order, at least `count`. @throws DiagnosticError Z414 */
  merges(count: number): Promise<readonly string[]>;
}
