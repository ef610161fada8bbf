/**
 * Every error code of the data layer with its meaning in one line: the reference page of
 * errors is made from this.
 */

export const dataCodes = {
  Z410: 'a file of tensors that cannot be opened or read',
  Z411: 'a file that is not well-formed safetensors',
  Z412: 'a list of texts, such as the names of classes, that cannot be read',
  Z413: 'a file that cannot be written',
  Z414: 'a vocabulary or context that the built-in tokenizer cannot serve',
  Z415: 'a table (CSV) that cannot be read or lacks a column',
  Z416: 'pictures that cannot be read, or are above the limit of pixels',
  Z417: 'a file of ready-made batches that does not fit the model or the recipe',
  Z418: 'fewer samples than one batch needs',
  Z419: 'samples without a caption or picture, which are left out (a warning)',
  Z425: 'a value of a table (CSV) or a file that it names that does not fit its input',
  Z426: 'pictures that cannot be read, whose places other rows take (a warning)',
  Z427: 'bytes of a table or list that are no text in its encoding',
  Z428: 'cells of a table (CSV) that go over several lines (a warning)',
  Z429: 'equal texts within a batch (a warning)',
  Z452: 'shards that cannot be listed or read',
  Z453: 'shards in error, of which the whole samples are used (a warning)',
  Z454: 'counts of queries that cannot be read, or do not fit the queries or the shards',
  Z455: 'shards whose keys cannot be told apart in a list (a warning)',
  Z520: 'an unknown data source or augmentation',
  Z521: 'an unknown option of a data source or augmentation',
  Z522: 'an option with a wrong value, or one that is missing',
  Z524: 'a place in the data (a cursor) of another run',
} as const;

export type DataCode = keyof typeof dataCodes;
