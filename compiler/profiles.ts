/** Kinds of devices by name, for plans that are made without one. */
import { type DeviceProfile, discreteProfile, lavapipeProfile } from './profile.ts';
import { amdProfile, appleMatrixProfile, intelProfile, nvidiaProfile } from './profiles-matrix.ts';

/** Devices that plans can be made for anywhere. */
export const profiles = {
  cpu: lavapipeProfile,
  gpu: discreteProfile,
  nvidia: nvidiaProfile,
  amd: amdProfile,
  intel: intelProfile,
  apple: appleMatrixProfile,
} as const satisfies Record<string, DeviceProfile>;

/** A kind of device, by name. */
export type ProfileKind = keyof typeof profiles;
