/**
 * PyTorch's golden batch and five training steps in a browser, within what is asked of a float32 device: what the page's own
 * WebGPU makes of the same kernels.
 */

import { openPageDevice } from '../../zoo/api/browser/device.ts';
import { describeGolden } from '../golden/golden-cases.ts';
import { describeAdapterTraining } from '../golden/training-cases.ts';
import type { Way } from '../golden/ways.ts';

const { device, report } = await openPageDevice();
console.info(`the browser's adapter is ${report.name}`);
const inBrowser: Way = { name: 'in a browser', on: device };

describeGolden(inBrowser, ['tiny_vit']);
describeAdapterTraining(inBrowser, ['tiny_vit']);
