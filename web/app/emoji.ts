/** The emoji pictures of this page: one sheet of tiles, with a table of their captions. */

export interface Emoji {
  /** Index of the tile, in rows from the top left. */
  readonly tile: number;
  readonly title: string;
  readonly tags: readonly string[];
  readonly style: 'twemoji' | 'noto';
}

interface Table {
  /** Side of a tile in pixels. */
  readonly side: number;
  /** Tiles in a row. */
  readonly columns: number;
  readonly emoji: readonly Emoji[];
}

export interface EmojiPictures extends Table {
  /** A tile as a PNG. */
  blobOf(emoji: Emoji): Promise<Blob>;
  /** A tile's RGBA samples. */
  pixelsOf(emoji: Emoji): ImageData;
}

async function fetched(name: string): Promise<Response> {
  const response = await fetch(new URL(`data/${name}`, document.baseURI));
  if (!response.ok) throw new Error(`data/${name}: ${response.status} ${response.statusText}`);
  return response;
}

async function load(): Promise<EmojiPictures> {
  const [table, sheet] = await Promise.all([
    fetched('pictures.json').then((response): Promise<Table> => response.json()),
    fetched('pictures.png')
      .then((response) => response.blob())
      .then((blob) => createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' })),
  ]);
  const { side, columns } = table;
  const place = ({ tile }: Emoji): [number, number] => [
    (tile % columns) * side,
    Math.floor(tile / columns) * side,
  ];
  const drawn = (emoji: Emoji): CanvasRenderingContext2D => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [side, side];
    const drawing = canvas.getContext('2d', { willReadFrequently: true })!;
    drawing.drawImage(sheet, ...place(emoji), side, side, 0, 0, side, side);
    return drawing;
  };
  return {
    ...table,
    blobOf: (emoji) =>
      new Promise((resolve, reject) => {
        const failed = new Error('this browser cannot write a PNG');
        drawn(emoji).canvas.toBlob((blob) => (blob === null ? reject(failed) : resolve(blob)), 'image/png');
      }),
    pixelsOf: (emoji) => drawn(emoji).getImageData(0, 0, side, side),
  };
}

let loading: Promise<EmojiPictures> | undefined;

/** The sheet, fetched once. */
export function fetchEmoji(): Promise<EmojiPictures> {
  loading ??= load();
  loading.catch(() => {
    loading = undefined;
  });
  return loading;
}
