/** Made by `scripts/bundle.ts`: the files of `zoo/lib`, by name without `.zoo`. */
declare module 'zooc:lib' {
  export const texts: Readonly<Record<string, string>>;
}
