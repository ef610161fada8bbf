/** Readers with mistakes, that the fuzzer must find: each fails on inputs with its letter in them. */
import { closeSync, openSync } from 'node:fs';
import { bytesOf, type Read, type Reader } from './reader.ts';

const kept: unknown[] = [];

function planted(letter: string, wrong: Read): Reader {
  return {
    name: letter,
    share: 1,
    seeds: () => [bytesOf('good')],
    tokens: [letter],
    open: () => (bytes) => (Buffer.from(bytes).includes(letter) ? wrong(bytes) : undefined),
    bounds: { ms: () => 40 },
  };
}

export const readers: readonly Reader[] = [
  planted('T', () => {
    throw new TypeError('x is not a function');
  }),
  planted('R', () => {
    const deep = (): number => 1 + deep();
    return deep();
  }),
  planted('P', () => {
    Promise.reject(new Error('nobody waits'));
  }),
  planted('S', () => {
    const began = process.cpuUsage();
    for (let spent = 0; spent < 60_000; ) {
      const { user, system } = process.cpuUsage(began);
      spent = user + system;
    }
  }),
  planted('M', () => {
    kept.push(new Uint8Array(2 ** 28));
    kept.length = 0;
  }),
  planted('D', () => {
    openSync('/dev/null', 'r');
  }),
  planted('H', () => {
    for (;;);
  }),
  planted('W', () => new Promise(() => {})),
  planted('X', () => {
    process.kill(process.pid, 'SIGSEGV');
  }),
  planted('C', () => {
    const file = openSync('/dev/null', 'r');
    setImmediate(() => closeSync(file));
  }),
];

export const table = new URL(import.meta.url);
