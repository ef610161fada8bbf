/** One photo by the visitor's camera, which is off again afterwards. */
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { fill, h } from '../ui/dom.ts';

function refused(reason: string): DiagnosticError {
  const help = 'allow the camera in the browser’s settings for this page, or choose a file';
  return new DiagnosticError([{ code: 'Z405', severity: 'error', message: `no camera: ${reason}`, help }]);
}

async function openStream(): Promise<MediaStream> {
  // Pages that are neither https nor of this machine have no such interface.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw refused('pages need https or localhost');
  try {
    return await devices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch (error) {
    throw refused((error as Error).message);
  }
}

function photoOf(video: HTMLVideoElement): Promise<Blob | undefined> {
  const canvas = h('canvas', { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext('2d')!.drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? undefined), 'image/png'));
}

/**
 * Shows what the camera sees in `place` until a photo is taken or the visitor cancels.
 * @throws DiagnosticError Z405 where there is no camera, or it is not allowed
 */
export async function takePhoto(place: HTMLElement): Promise<Blob | undefined> {
  const stream = await openStream();
  const video = h('video', { autoplay: true, playsinline: true, width: 224, height: 168 });
  video.muted = true;
  video.srcObject = stream;
  try {
    const taken = await new Promise<boolean>((resolve) => {
      const take = h('button', { type: 'button', onclick: () => resolve(true) }, 'Take the photo');
      const cancel = h('button', { type: 'button', class: 'plain', onclick: () => resolve(false) }, 'Cancel');
      fill(place, video, take, cancel);
      take.focus();
    });
    return taken ? await photoOf(video) : undefined;
  } finally {
    for (const track of stream.getTracks()) track.stop();
    place.replaceChildren();
  }
}
