/**
 * The process that renders SVG: a request, an answer, and so on, until whoever started it is gone.
 *
 * sharp works on other threads, so this one can watch what it costs.
 */
import sharp from 'sharp';
import { overMemory, overTime, type SvgAnswer, type SvgRequest } from './svg.ts';

const base = process.memoryUsage.rss();

async function render({ svg, maxPixels }: SvgRequest): Promise<SvgAnswer> {
  const { width, height } = await sharp(svg, { limitInputPixels: false }).metadata();
  if (width * height > maxPixels) return { width, height, channels: 0 };
  const { data, info } = await sharp(svg, { failOn: 'error' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data };
}

process.on('message', async (request: SvgRequest) => {
  const before = process.cpuUsage();
  const watch = setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1e6 > request.limits.cpuSeconds) process.exit(overTime);
    if (process.memoryUsage.rss() - base > request.limits.bytes) process.exit(overMemory);
  }, 20);
  const answer = await render(request).catch((error: Error) => ({ reason: error.message }));
  clearInterval(watch);
  process.send!(answer);
});

process.on('disconnect', () => process.exit());
// A stop of the whole group is not for it: who started it may yet want this picture.
process.on('SIGINT', () => {});
