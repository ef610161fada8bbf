/** Random numbers for tests, so that failures repeat. */
export { randomNumbers } from '../../runtime/selftest/values.ts';
