/**
 * Every code of a diagnostic with its meaning in one line.
 *
 * A code never changes its meaning; a new mistake gets a new code, and with it an example for docs/reference/errors.md
 * (scripts/errors), which the compiler asks for.
 */

/** A code of a diagnostic: Z1xx syntax, Z2xx names and arguments, Z3xx shapes and values, Z4xx weights and data files, Z5xx recipes, Z6xx devices and running, Z7xx the command line. */
export type Code =
  | 'Z101'
  | 'Z102'
  | 'Z103'
  | 'Z104'
  | 'Z105'
  | 'Z106'
  | 'Z107'
  | 'Z108'
  | 'Z109'
  | 'Z110'
  | 'Z111'
  | 'Z112'
  | 'Z113'
  | 'Z200'
  | 'Z201'
  | 'Z202'
  | 'Z203'
  | 'Z204'
  | 'Z205'
  | 'Z206'
  | 'Z207'
  | 'Z208'
  | 'Z209'
  | 'Z210'
  | 'Z211'
  | 'Z212'
  | 'Z213'
  | 'Z214'
  | 'Z215'
  | 'Z216'
  | 'Z217'
  | 'Z218'
  | 'Z219'
  | 'Z220'
  | 'Z221'
  | 'Z222'
  | 'Z223'
  | 'Z301'
  | 'Z302'
  | 'Z303'
  | 'Z304'
  | 'Z305'
  | 'Z306'
  | 'Z307'
  | 'Z308'
  | 'Z309'
  | 'Z310'
  | 'Z311'
  | 'Z313'
  | 'Z314'
  | 'Z315'
  | 'Z401'
  | 'Z402'
  | 'Z403'
  | 'Z404'
  | 'Z405'
  | 'Z410'
  | 'Z411'
  | 'Z412'
  | 'Z413'
  | 'Z414'
  | 'Z415'
  | 'Z416'
  | 'Z417'
  | 'Z418'
  | 'Z419'
  | 'Z420'
  | 'Z421'
  | 'Z422'
  | 'Z423'
  | 'Z424'
  | 'Z425'
  | 'Z426'
  | 'Z427'
  | 'Z428'
  | 'Z429'
  | 'Z430'
  | 'Z431'
  | 'Z432'
  | 'Z433'
  | 'Z434'
  | 'Z435'
  | 'Z436'
  | 'Z440'
  | 'Z441'
  | 'Z442'
  | 'Z443'
  | 'Z450'
  | 'Z451'
  | 'Z452'
  | 'Z453'
  | 'Z454'
  | 'Z455'
  | 'Z460'
  | 'Z470'
  | 'Z471'
  | 'Z480'
  | 'Z481'
  | 'Z482'
  | 'Z483'
  | 'Z484'
  | 'Z485'
  | 'Z501'
  | 'Z502'
  | 'Z503'
  | 'Z504'
  | 'Z505'
  | 'Z506'
  | 'Z507'
  | 'Z508'
  | 'Z509'
  | 'Z520'
  | 'Z521'
  | 'Z522'
  | 'Z524'
  | 'Z601'
  | 'Z602'
  | 'Z603'
  | 'Z604'
  | 'Z605'
  | 'Z606'
  | 'Z607'
  | 'Z608'
  | 'Z609'
  | 'Z610'
  | 'Z611'
  | 'Z612'
  | 'Z613'
  | 'Z614'
  | 'Z615'
  | 'Z616'
  | 'Z617'
  | 'Z618'
  | 'Z619'
  | 'Z620'
  | 'Z621'
  | 'Z630'
  | 'Z631'
  | 'Z632'
  | 'Z633'
  | 'Z634'
  | 'Z635'
  | 'Z636'
  | 'Z637'
  | 'Z638'
  | 'Z639'
  | 'Z640'
  | 'Z700'
  | 'Z701'
  | 'Z702'
  | 'Z703'
  | 'Z704'
  | 'Z705';

export const codes: Readonly<Record<Code, string>> = {
  Z101: 'a character that the language does not have',
  Z102: 'a string that is not closed on its line',
  Z103: 'a malformed or too large number',
  Z104: 'an unknown escape in a string',
  Z105: 'brackets, `if`s or operators nested too deeply',
  Z106: 'something else was expected here',
  Z107: 'operators that do not combine: chained comparisons, `a + not b`',
  Z108: 'a malformed axis pattern, or one outside rearrange and einsum',
  Z109: 'not a type, or not a type that fits here',
  Z110: 'not a declaration, member, setting or rule',
  Z111: '`package` or `import` behind a declaration',
  Z112: 'so many syntax errors that the rest is not shown',
  Z113: 'a file that is too large',
  Z200: 'a name that nothing in reach declares',
  Z201: 'an argument for a parameter that does not exist',
  Z202: 'a parameter without default got no argument',
  Z203: 'blocks contain each other in a cycle',
  Z204: 'files import each other in a cycle',
  Z205: 'a file, package or exported name that cannot be found',
  Z206: 'a block that exists in a package but was not imported',
  Z207: 'two declarations share one name',
  Z208: 'too many arguments, or one parameter given twice',
  Z209: 'a value of the wrong kind (a string where an int belongs)',
  Z210: 'a call, member or index of something that has none',
  Z211: 'use of a child that is absent under its `when`',
  Z212: 'a `with` path that leads nowhere',
  Z213: 'a model, recipe or names map that does not exist, or must be named',
  Z214: '`fuses` names an unknown kernel, or a body that is not what the kernel computes',
  Z215: 'a block without the `forward` that a call needs',
  Z216: 'functions call each other without end',
  Z217: 'a tensor operation outside `forward`',
  Z218: 'a rule of a names map that cannot be undone',
  Z219: 'two weights would have the same path',
  Z220: 'an expression that has no meaning where it stands',
  Z221: '`image_mean` and `image_std` that are not three numbers each, or not the same throughout a model',
  Z222: 'a weight or child that no forward or entry reads (a warning)',
  Z223: 'a parameter of a block that nothing reads (a warning)',
  Z301: 'shapes that cannot be combined',
  Z302: 'a tensor with the wrong number of axes',
  Z303: 'a tensor with the wrong element type',
  Z304: '`require`: a size is not a multiple of another',
  Z305: '`require`: a size is not divisible by a number that forward passes alone use',
  Z306: 'a static division with a remainder',
  Z307: 'a dimension variable with two different sizes',
  Z308: '`require`: another condition does not hold',
  Z309: 'an argument or result of another size than declared',
  Z310: 'an axis pattern that does not fit its tensor',
  Z311: 'an index or slice outside its axis or list',
  Z313: 'a number outside the range that its place allows',
  Z314: 'a model too large to elaborate',
  Z315: 'a model without the inputs or outputs that an entry, or the data of a recipe, needs',
  Z401: 'weights that do not fit the model: a tensor is missing, alien, or has another shape or type',
  Z402: "weights to start training from that are not given, or hold no grid that `resize_grid` could bring to the model's size",
  Z403: 'a weights argument that is no file, `init:SEED` or `hash`',
  Z404: 'an input tensor of `run` that is missing, alien, of another type or shape, or holds ids outside of the vocabulary',
  Z405: 'an image file that cannot be read, or is above the limit of pixels',
  Z410: 'a file of tensors that cannot be opened or read',
  Z411: 'a file that is not well-formed safetensors, or not what its own checksum says',
  Z412: 'a list of texts, such as the names of classes, that cannot be read',
  Z413: 'a file that cannot be written',
  Z414: 'a vocabulary or context that the built-in tokenizer cannot serve',
  Z415: 'a table (CSV) that cannot be read or lacks a column',
  Z416: 'pictures that cannot be read, or are above the limit of pixels',
  Z417: 'a file of ready-made batches that does not fit the model or the recipe',
  Z418: 'fewer samples than one batch needs',
  Z419: 'samples without a caption or picture, which are left out (a warning)',
  Z420: 'a file that has no format that weights come in, or one that is not read',
  Z421: 'a PyTorch archive (zip) that is damaged, or made to deceive',
  Z422: 'a pickle that asks for more than tensors, or is malformed',
  Z423: 'an index of shards that is malformed or does not tell the truth',
  Z424: 'weights under other names than those insisted on',
  Z425: 'a value of a table (CSV) or a file that it names that does not fit its input',
  Z426: 'pictures that cannot be read, whose places other rows take (a warning)',
  Z427: 'bytes of a table or list that are no text in its encoding',
  Z428: 'cells of a table (CSV) that go over several lines (a warning)',
  Z429: 'equal texts within a batch (a warning)',
  Z430: 'an exported package that is incomplete or was changed',
  Z431: 'an export into a folder that exists already',
  Z432: 'a model that the format of an export cannot express',
  Z433: 'a weight that the element type of an export cannot hold',
  Z434: 'weights whose configuration beside them (`config.json`, `open_clip_config.json`; of packages and runs `model.json`, `run.json`) is not that of the model',
  Z435: 'weights, or features made with them, that are not finite numbers',
  Z436: 'an ONNX file that is damaged, too large for protobuf, or made to deceive',
  Z440: 'an adapter that is malformed, of another version or for another model, lies without its model, or is named as a base',
  Z441: 'the base of an adapter, or what a run started from, that is not where it was',
  Z442: 'weights that are not the base of an adapter',
  Z443: 'an adapter that would hold nothing, or all weights',
  Z450: 'the emoji example: a package of its data is not installed',
  Z451: "the emoji example: a package's data has another form than expected",
  Z452: 'shards that cannot be listed or read',
  Z453: 'shards in error, of which the whole samples are used (a warning)',
  Z454: 'counts of queries that cannot be read, or do not fit the queries or the shards',
  Z455: 'shards whose keys cannot be told apart in a list (a warning)',
  Z460: 'features, scores, classifiers or data for an evaluation that do not fit each other, or the model',
  Z470: 'a folder of features that is of another model, or incomplete',
  Z471: 'lines on standard input that could not be embedded (`embed - --strict`)',
  Z480: 'a name of a hub that is malformed or not known',
  Z481: 'a hub that cannot be reached, refuses, or lacks what was asked for',
  Z482: 'a file of a hub that is not what was announced: size, digest, name',
  Z483: 'a model of a hub that was not pulled and must not be fetched',
  Z484: 'a name in the local zoo that is taken, not there or no name; an adapter that would not find its base from there',
  Z485: 'a folder that is not sent to a hub: no model card, weights in shards',
  Z501: 'an unknown setting of a recipe',
  Z502: 'a setting with a wrong value',
  Z503: 'a setting that training needs and the recipe lacks',
  Z504: 'a pattern or path that matches no weight or block',
  Z505: 'a setting given twice',
  Z506: 'a term of an objective, or a weight of one number, called like another column of `metrics.jsonl`',
  Z507: 'a warm-up longer than the run (a warning)',
  Z508: 'a batch of one for a loss that sets samples against each other (a warning)',
  Z509: '`lengths` for texts whose values depend on what is behind their ends',
  Z520: 'an unknown data source or augmentation',
  Z521: 'an unknown option of a data source or augmentation',
  Z522: 'an option with a wrong value, or one that is missing',
  Z524: 'a place in the data (a cursor) of another run',
  Z601: 'no WebGPU adapter on this machine',
  Z602: '`ZOOC_ADAPTER` names no adapter',
  Z603: 'an adapter that cannot give what a plan needs, cannot time steps, or refuses to open',
  Z604: 'an error that the device reported',
  Z605: 'not enough device memory',
  Z606: 'the device was lost',
  Z607: 'a part of a recipe that this version cannot run',
  Z608: 'a `freeze` that fits no weight, or leaves none to train that the loss reads; a weight named as checkpoints name the state of another (`ema.…`)',
  Z609: 'training diverged: the loss or the gradient is not finite',
  Z610: 'a recipe that does not say how long it trains, or less than its warm-up and cooldown take',
  Z611: 'a checkpoint that cannot be read or is damaged',
  Z612: 'a checkpoint of another model, another optimizer, other data or another order of the data',
  Z613: 'a run folder that must not be used',
  Z614: 'an objective that cannot be trained in chunks',
  Z615: 'mixed precision on a device without half floats',
  Z616: 'trainable weights that the loss does not read (a warning)',
  Z617: 'a run folder that another process trains into',
  Z618: 'a damaged checkpoint, passed over for the one before (a warning)',
  Z619: 'rows that `metrics.jsonl` has lost (a warning)',
  Z620: 'settings that a resumed run takes over (a warning)',
  Z621: 'a run folder taken over from a process of another machine that has not touched its lock for minutes (a warning)',
  Z630: 'several ranks without what they need: an MPI library, `koffi`, `mpirun`',
  Z631: 'MPI failed',
  Z632: 'a batch that ranks cannot divide',
  Z633: 'ranks that do not train the same',
  Z634: 'ranks that would share a discrete GPU unasked',
  Z635: "what shows a run (TensorBoard's events, the report) cannot be written and is left out (a warning)",
  Z636: 'a package is missing that is installed unless it was left out: `webgpu`, `sharp`',
  Z637: 'a schedule to avoid that the device does not have',
  Z638: 'schedules to avoid that leave a kernel none',
  Z639: "a loss that ranks cannot share and that takes much of each one's step (a warning of `plan`)",
  Z640: 'an adapter that `selftest` found to compute wrong',
  Z700: 'an unknown verb or option, or a missing argument',
  Z701: 'the operating system refused: no such file, permission, disk full',
  Z702: 'a file that is not the JSON expected',
  Z703: 'an option with a wrong value, or one that needs another',
  Z704: 'a model or entry that cannot do what is asked',
  Z705: 'a file that is not in the canonical format (`fmt --check`)',
};
