/**
 * What the built page may do: its own scripts and styles, pictures that it made or was given, and addresses that visitors type
 * in. Nothing is asked of anybody else.
 */
const rules: Readonly<Record<string, string>> = {
  'default-src': "'none'",
  // The other library of Compare has a small part in WebAssembly.
  'script-src': "'self' 'wasm-unsafe-eval'",
  'worker-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' blob: data:",
  'media-src': "'self' blob:",
  'connect-src': "'self' https: blob:",
  'base-uri': "'none'",
  'form-action': "'none'",
};

export const contentSecurityPolicy = Object.entries(rules)
  .map(([name, value]) => `${name} ${value}`)
  .join('; ');
