/**
 * Profiles of devices with subgroup matrices, for plans and tests without such a device: what Dawn tells of
 * NVIDIA, AMD, Intel, Apple and of Mesa 26's software driver.
 *
 * The configurations are from Dawn's and the drivers' documentation, but for the software driver's, which
 * were read from the adapter. Multiprocessors are those of an H100 or H200, an RX 7900 XTX, an Arc B580 and
 * an M4 Max. A real adapter's own come with `profileOf` (runtime/webgpu/adapter.ts).
 */
import {
  appleProfile,
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
  type MatrixConfig,
  subgroupMatrixFeature,
  subgroupSizeFeature,
} from './profile.ts';

const config = (
  m: number,
  n: number,
  k: number,
  component: MatrixConfig['component'],
  result: MatrixConfig['result'],
): MatrixConfig => ({ m, n, k, component, result });

const withMatrices = (base: DeviceProfile): DeviceProfile => ({
  ...base,
  features: [...base.features, subgroupSizeFeature, subgroupMatrixFeature].sort(),
});

/** Discrete cards of all three vendors run workgroups of 1024. */
const discrete = {
  ...withMatrices(discreteProfile),
  limits: {
    ...discreteProfile.limits,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupSizeX: 1024,
  },
};

export const nvidiaProfile: DeviceProfile = {
  ...discrete,
  name: 'NVIDIA GPU',
  vendor: 'nvidia',
  multiprocessors: 132,
  limits: { ...discrete.limits, maxComputeWorkgroupStorageSize: 49152 },
  subgroupSize: { min: 32, max: 32 },
  matrixConfigs: [config(16, 16, 16, 'f16', 'f32'), config(16, 16, 16, 'f16', 'f16')],
};

export const amdProfile: DeviceProfile = {
  ...discrete,
  name: 'AMD GPU',
  vendor: 'amd',
  multiprocessors: 96,
  limits: { ...discrete.limits, maxComputeWorkgroupStorageSize: 65536 },
  subgroupSize: { min: 32, max: 64 },
  matrixConfigs: [config(16, 16, 16, 'f16', 'f32'), config(16, 16, 16, 'f16', 'f16')],
};

export const intelProfile: DeviceProfile = {
  ...discrete,
  name: 'Intel GPU',
  vendor: 'intel',
  multiprocessors: 20,
  subgroupSize: { min: 16, max: 32 },
  matrixConfigs: [config(8, 16, 16, 'f16', 'f32'), config(8, 16, 16, 'f16', 'f16')],
};

/** Apple's GPUs of the M series. */
export const appleMatrixProfile: DeviceProfile = {
  ...withMatrices(appleProfile),
  name: 'Apple GPU with subgroup matrices',
  multiprocessors: 40,
  matrixConfigs: [config(8, 8, 8, 'f32', 'f32'), config(8, 8, 8, 'f16', 'f16')],
};

/** lavapipe of Mesa 26, taken for a GPU so that it gets a GPU's schedules. */
export const lavapipeMatrixProfile: DeviceProfile = {
  ...withMatrices(lavapipeProfile),
  name: 'llvmpipe with subgroup matrices',
  kind: 'gpu',
  vendor: 'mesa',
  matrixConfigs: [
    config(8, 8, 8, 'f16', 'f16'),
    config(8, 8, 8, 'f16', 'f32'),
    config(8, 8, 8, 'u8', 'u32'),
    config(8, 8, 8, 'i8', 'i32'),
  ],
};
