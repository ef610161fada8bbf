/** The picture: dropped, chosen, pasted, taken by the camera, or one of the examples. */
import type { Context } from '../app/context.ts';
import { fill, h } from '../ui/dom.ts';
import { takePhoto } from './camera.ts';
import { fetchExamples } from './examples.ts';

export interface PictureChooser {
  readonly element: HTMLElement;
  current(): Blob | undefined;
  /** Shows the first example unless there is a picture. */
  start(): void;
}

export function makePicture(context: Context, changed: () => void): PictureChooser {
  let current: Blob | undefined;
  let address: string | undefined;
  const shown = h('img', { alt: 'the picture that is classified', width: 224, height: 224 });
  const examples = h('div', { class: 'examples', role: 'group', 'aria-label': 'Examples' });
  const camera = h('div', {});

  const take = (picture: Blob): void => {
    current = picture;
    if (address !== undefined) URL.revokeObjectURL(address);
    address = URL.createObjectURL(picture);
    shown.src = address;
    changed();
  };
  const takeFirst = (files: FileList | null | undefined): void => {
    const file = files?.[0];
    if (file !== undefined) take(file);
  };

  const file = h('input', {
    type: 'file',
    accept: 'image/*',
    id: 'picture-file',
    onchange: () => takeFirst(file.files),
  });
  const zone = h(
    'div',
    {
      class: 'drop',
      ondragover(event) {
        event.preventDefault();
        zone.classList.add('over');
      },
      ondragleave: () => zone.classList.remove('over'),
      ondrop(event) {
        event.preventDefault();
        zone.classList.remove('over');
        takeFirst(event.dataTransfer?.files);
      },
    },
    shown,
    h('p', {}, h('label', { for: 'picture-file' }, 'Choose a picture'), ', drop or paste one'),
    file,
  );
  document.addEventListener('paste', (event) => {
    if (zone.isConnected) takeFirst(event.clipboardData?.files);
  });

  const openCamera = async (): Promise<void> => {
    try {
      const photo = await takePhoto(camera);
      if (photo !== undefined) take(photo);
    } catch (error) {
      context.report(error);
    }
  };
  const start = async (): Promise<void> => {
    if (examples.childElementCount > 0) return;
    try {
      const found = await fetchExamples();
      const buttons = found.map(({ title, picture, address: source }) =>
        h(
          'button',
          { type: 'button', title, onclick: () => take(picture) },
          h('img', { src: source, alt: title, width: 40, height: 40 }),
        ),
      );
      fill(examples, buttons);
      if (current === undefined && found[0] !== undefined) take(found[0].picture);
    } catch (error) {
      context.report(error);
    }
  };

  const button = h('button', { type: 'button', onclick: () => void openCamera() }, 'Camera');
  const element = h('div', {}, zone, button, camera, h('h2', {}, 'Examples'), examples);
  return { element, current: () => current, start: () => void start() };
}
