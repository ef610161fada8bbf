/**
 * The WebGPU specification's flag values that the runtime uses.
 *
 * Browsers offer them as globals (`GPUBufferUsage`, ...), Node does not; spelled out
 * here, no global is needed.
 */
export const bufferUsage = {
  mapRead: 0x1,
  copySource: 0x4,
  copyDestination: 0x8,
  storage: 0x80,
  queryResolve: 0x200,
} as const;
export const shaderStage = { compute: 0x4 } as const;
export const mapMode = { read: 0x1 } as const;
