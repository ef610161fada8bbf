/**
 * What tests may need of the machine and do without: an adapter, a driver with subgroup matrices, programs that read what
 * zooc writes (protoc, Chromium). The one
 * place that decides what happens where it is missing.
 *
 * The tests are skipped and one visible line says so; with ZOOC_REQUIRE_ADAPTER=1, which `.ci/run` sets, it
 * is an error.
 */
export const required = process.env.ZOOC_REQUIRE_ADAPTER === '1';

/** Called where `what` was looked for in vain; the caller skips the tests that need it. */
export function skipFor(what: string): undefined {
  if (required) throw new Error(`${what}, and ZOOC_REQUIRE_ADAPTER=1 lets no test be skipped`);
  console.error(`${what}: the tests that need it are skipped`);
  return undefined;
}
