/** Of `zooc/plan` what the page takes; `plan-browser.ts` in `zoo/api` is it. */
interface Encoder {
  encodeImage(picture: Blob): Promise<Float32Array>;
  encodeText(text: string): Promise<Float32Array>;
  classify(picture: Blob, labels: readonly string[]): Promise<{ label: string; score: number }[]>;
}

export function load(plans: unknown, weights: string): Promise<Encoder>;
