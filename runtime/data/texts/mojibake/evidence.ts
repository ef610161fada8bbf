/**
 * What makes it likely that a text is UTF-8 that was read in another encoding: neighbours that no language has.
 *
 * That its bytes could be UTF-8 is no evidence: "NESTLÉ®" is a name. CLIP's tokenizer runs ftfy first, so these
 * are the pairs that ftfy 6.3.1 goes by (its module `badness`; Robyn Speer, Apache License 2.0). One of them is left
 * out, a degree sign behind a capital: texts of the original tokenizer keep it (`test/fixtures/texts/repaired.json`).
 */

const kinds = {
  common: '\\u00a0\\u00ad´·–-―’…',
  c1: '\\u0080-\\u009f',
  bad: '¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\\ufffd',
  law: '§¶',
  currency: '¢£¥₧€',
  start: '¡©«¿΄΅‘‚“„•‹\\uf8ff',
  end: '®»˝”›™',
  numeric: '±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥',
  faces: '°Ò-ÖÙ-Üò-öø-üŌŐŪŲ',
  upperAccented: 'À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ',
  lowerAccented: 'ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ',
  upperCommon: 'ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я',
  lowerCommon: 'ά-ωа-џ',
  box: '│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓',
  ascii: 'a-zA-Z',
  lower: 'a-z',
  word: '\\p{L}\\p{N}_',
  space: '\\s',
} as const;

type Kind = keyof typeof kinds;

/** A set of kinds by name, and of characters behind them. */
function set(names: string, characters = ''): string {
  const known = names.split(' ').filter((name) => name !== '');
  return `[${known.map((name) => kinds[name as Kind]).join('')}${characters}]`;
}

const symbols = 'lowerAccented upperAccented box start end currency numeric law';
/** What Arabic in windows-1252 is made of; common enough that two pairs are wanted. */
const arabic = `[ØÙ]${set('common currency bad numeric start', 'ŸŠ®°µ»')}`;
/** Latin-1 and an alphabet of its own in one code page: three characters, of which the first and third are those. */
const between = (letters: string, characters: string) =>
  `[${letters}]${set('c1 bad start end currency', characters)}[${letters}]`;

const signs: readonly string[] = [
  set('c1'),
  set(`bad ${symbols}`) + set('bad'),
  set('ascii') + set('lowerCommon upperCommon') + set('bad'),
  set('bad') + set(symbols),
  set('lowerAccented lowerCommon box end currency numeric') + set('upperAccented'),
  set('box end currency numeric') + set('lowerAccented'),
  set('lowerAccented box end') + set('currency'),
  set('space') + set('upperAccented') + set('currency'),
  set('upperAccented box') + set('numeric law'),
  set('lowerAccented upperAccented box currency end') + set('start') + set('numeric'),
  set('lowerAccented upperAccented currency numeric box law') + set('end') + set('start'),
  set('currency numeric box') + set('start'),
  set('lower') + set('upperAccented') + set('start currency'),
  set('box') + set('faces'),
  set('lowerAccented upperAccented currency numeric start end law') + set('box'),
  set('box') + set('end'),
  set('lowerAccented upperAccented') + set('start end') + set('word'),
  '[Œœ][^A-Za-z]',
  // Windows-1252.
  `[ÂÃÎÐ]${set('start end', '€œŠš¢£Ÿž\\u00a0\\u00ad®©°·»–—´')}`,
  '×[²³]',
  arabic + arabic,
  'à[²µ¹¼½¾]',
  // Macintosh.
  '√[±∂†≠®™´≤≥¥µø]',
  '≈[°¢]',
  '‚Ä[ìîïòôúùû†°¢π]',
  '‚[âó][àä°ê]',
  // Windows-1251, also on top of windows-1252.
  'вЂ',
  between('ВГРС', '°µ'),
  'ГўВЂВ.[A-Za-z ]',
  // à, á and the space that does not break.
  'Ã[\\u00a0¡]',
  '[a-z]\\s?[ÃÂ] ',
  '^[ÃÂ] ',
  `${set('end', 'a-z.,?!')}Â${set('start end', ' ')}`,
  // Windows-1253 and 1257.
  'β€[™\\u00a0Ά\\u00ad®°]',
  between('ΒΓΞΟ', '°'),
  'ā€',
];

const evidence = new RegExp(signs.join('|'), 'u');

export function looksMisread(text: string): boolean {
  return evidence.test(text);
}
