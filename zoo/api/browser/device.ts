/** The browser's adapter, opened with all its limits. */
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { describeAdapter, openDevice, profileOf } from '../../../runtime/webgpu/adapter.ts';
import { WebGpuDevice } from '../../../runtime/webgpu/device.ts';
import type { OpenedDevice } from '../platform.ts';
import { page } from './globals.ts';

/**
 * @param change what is to be different of the adapter's profile
 * @throws DiagnosticError Z601, Z603
 */
export async function openPageDevice(
  change: (profile: DeviceProfile) => DeviceProfile = (profile) => profile,
): Promise<OpenedDevice> {
  const adapter = await page.navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    fail(
      'Z601',
      'this browser gives the page no WebGPU adapter',
      'chrome://gpu says why; pages need https or localhost, Chromium on Linux --enable-unsafe-webgpu',
    );
  const report = describeAdapter(adapter, 'browser');
  const profile = change(profileOf(report));
  return { report, device: new WebGpuDevice(await openDevice(adapter, profile), profile) };
}
