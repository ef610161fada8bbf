/** `--offline`, of every verb. Apart from `fetched.ts`, whose code no help and no check needs. */
export const access = { offline: false };
