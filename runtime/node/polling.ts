/**
 * Patience between Dawn's looks at the device.
 *
 * Dawn's bindings for Node look for finished work in a loop of immediates, which takes a whole core. They
 * have no option for it and fetch `setImmediate` from the global object at every look (dawn/node's
 * AsyncRunner), always that of the main context: a wrapper on the global is the only way to come between
 * two looks. So it is put there only while somebody holds it, passes all callers but Dawn through, and
 * leaves with its last holder.
 */

const looksBeforeWaiting = 64;
const waitMilliseconds = 1;

let holders = 0;
let takeAway = (): void => {};

/**
 * A chain of looks starts at full speed; from the 65th look on, a millisecond passes between two.
 * @returns ends it, once for every call; after the last one `globalThis.setImmediate` is what it was
 */
export function throttlePolling(): () => void {
  if (holders++ === 0) takeAway = wrapImmediates();
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    if (--holders === 0) takeAway();
  };
}

/** Puts the wrapper in place; the result takes it away, unless somebody has put another one over it. */
function wrapImmediates(): () => void {
  const original = globalThis.setImmediate;
  const patient = Object.defineProperties(
    patientImmediates(original),
    Object.getOwnPropertyDescriptors(original),
  ) as typeof setImmediate;
  globalThis.setImmediate = patient;
  return () => {
    if (globalThis.setImmediate === patient) globalThis.setImmediate = original;
  };
}

/**
 * Dawn's callbacks are native functions; one that finds nothing asks for the next look from inside itself.
 */
function patientImmediates(original: typeof setImmediate) {
  let fruitless = 0;
  let looking = false;
  return (callback: (...args: unknown[]) => void, ...args: unknown[]): unknown => {
    const native = Function.prototype.toString.call(callback).includes('[native code]');
    if (!native) return original(callback, ...args);
    fruitless = looking ? fruitless + 1 : 0;
    const look = (): void => {
      looking = true;
      try {
        callback(...args);
      } finally {
        looking = false;
      }
    };
    return fruitless < looksBeforeWaiting ? original(look) : setTimeout(look, waitMilliseconds);
  };
}
