/** Made by `scripts/bundle.ts`: the files of `zoo/lib`, by name without `.zoo`, and the package's version. */
declare module 'zooc:lib' {
  export const texts: Readonly<Record<string, string>>;
  export const version: string;
}
