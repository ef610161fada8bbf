#!/usr/bin/env node
/**
 * The command line: which verbs there are, what each takes, and what its help says.
 *
 * A verb's code is loaded only when it is called, so that `zooc --help` and `zooc check` stay quick. Every
 * error ends in `failure.ts`, which chooses the exit code: 0 done, 1 the user's input, 2 a defect of ours.
 * It is long because it is a table: every verb with each of its options.
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Command, CommanderError, Option } from '@commander-js/extra-typings';
import { fail } from '../../grammar/diagnostics.ts';
import { listenForStop } from '../../runtime/train/node/signals.ts';
import { version } from '../version.ts';
import { access } from './access.ts';
import { report } from './failure.ts';
import {
  baseOption,
  deviceOption,
  dtypeOption,
  entryHelp,
  jsonOption,
  labelsHelp,
  maxPixelsOption,
  modelHelp,
  objectiveOption,
  offlineOption,
  precisionOption,
  profileOption,
  setOption,
  templatesHelp,
  tuneOption,
  weightsOption,
} from './options.ts';
import { note } from './output.ts';
import { runProcess } from './process.ts';

// Most verbs are over in a second; V8's optimising compiler would by then have cost as much of the processor as all else together.
// What runs long is optimised all the same, a little later.
setFlagsFromString('--interrupt-budget=1000000');

const program = new Command('zooc')
  .description('Declare CLIP-style encoders in .zoo files; compile, train and run them on WebGPU.')
  .version(version)
  .addOption(offlineOption())
  .configureHelp({ showGlobalOptions: true })
  .hook('preAction', (command) => {
    access.offline = command.opts().offline === true;
  })
  .showHelpAfterError(false)
  .exitOverride()
  // Only help and version reach stdout through commander; its error texts are rendered by `failure.ts`.
  .configureOutput({ writeErr: () => {} });

// `copyInheritedSettings` happens in `command()`, so every verb below throws instead of exiting, too.
program
  .command('list')
  .description('bundled models: name, towers, parameters, resolution, embedding width')
  .addOption(jsonOption())
  .action(async (options) => (await import('./verbs/list.ts')).list(options));

program
  .command('check')
  .description('parse and type-check .zoo files; reports all independent errors at once')
  .argument('<files...>', '.zoo files')
  .addOption(new Option('--json', 'print the diagnostics as a JSON array'))
  .action(async (files, options) => (await import('./verbs/source/check.ts')).check(files, options));

program
  .command('fmt')
  .description('rewrite .zoo files in the canonical format')
  .argument('<files...>', '.zoo files')
  .option('--check', 'change nothing; fail if a file is not formatted')
  .action(async (files, options) => (await import('./verbs/source/fmt.ts')).fmt(files, options));

program
  .command('lsp')
  .description('the language server, for editors: diagnostics, completion, hover, renaming, formatting, …')
  .option('--stdio', 'speak over standard input and output')
  // Clients add it, so that the server ends with them.
  .addOption(new Option('--clientProcessId <pid>').hideHelp())
  .action(async (options) => (await import('./verbs/source/lsp.ts')).lsp(options));

program
  .command('show')
  .description("a model's weights, shapes, parameters, entries, FLOPs and configuration")
  .argument('<model>', modelHelp)
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (model, options) => (await import('./verbs/show.ts')).show(model, options));

program
  .command('compile')
  .description(
    'write the plan of one entry, or of a training step: plan.json, *.wgsl, graph.txt; needs no GPU',
  )
  .argument('<model>', `${modelHelp}; with --train a recipe`)
  .option('--entry <entry>', entryHelp)
  .addOption(objectiveOption())
  .option('--batch <n>', 'number of samples')
  .option('--train', "plan one step of a recipe's training: FILE.zoo#recipe")
  .addOption(
    new Option('--mode <mode>', 'batch norm uses its stored statistics, or the batch')
      .choices(['eval', 'train'])
      .default('eval'),
  )
  .option('--grad', 'also the gradient of the loss with respect to every trainable weight')
  .addOption(precisionOption())
  .addOption(
    new Option('--profile <profile>', 'kind of device to plan for')
      .choices(['cpu', 'gpu', 'nvidia', 'amd', 'intel', 'apple'])
      .default('cpu'),
  )
  .option('--memory <gib>', 'refuse plans that need more device memory than this')
  .option('--dump-after <pass>', 'print the graph after this pass to stderr')
  .requiredOption('-o, --out <dir>', 'folder to write')
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (model, options) => (await import('./verbs/compile.ts')).compile(model, options));

program
  .command('plan')
  .description(
    "what a recipe's training step costs each of several ranks: time, traffic, memory; needs no GPU",
  )
  .argument('<recipe>', 'file.zoo, or file.zoo#recipe where it holds several')
  .requiredOption('--ranks <n>', 'how many devices train it together')
  .option('--network <gbit>', 'Gbit/s between ranks, each way (default: 100)')
  .option('--latency <ms>', 'milliseconds of a message, whatever its length (default: 0.02)')
  .option('--tflops <t>', 'TFLOP/s that a device sustains (default: 50)')
  .addOption(
    new Option('--profile <profile>', 'kind of device to plan for')
      .choices(['cpu', 'gpu', 'nvidia', 'amd', 'intel', 'apple'])
      .default('gpu'),
  )
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (recipe, options) => (await import('./verbs/training/plan.ts')).plan(recipe, options));

program
  .command('run')
  .description('run one entry on tensors from a file')
  .argument('<model>', modelHelp)
  .requiredOption('--entry <entry>', entryHelp)
  .addOption(objectiveOption())
  .addOption(weightsOption())
  .addOption(baseOption())
  .requiredOption('--inputs <inputs>', 'safetensors file with what the entry is fed, by name; or hash')
  .requiredOption('--out <file>', 'safetensors file to write')
  .addOption(
    new Option('--mode <mode>', 'batch norm uses its stored statistics, or the batch')
      .choices(['eval', 'train'])
      .default('eval'),
  )
  .option('--grad', 'also write grad.<weight>')
  .addOption(precisionOption())
  .option('--batch <n>', 'number of samples (with --inputs hash)')
  .addOption(deviceOption())
  .addOption(tuneOption())
  .addOption(profileOption())
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (model, options) => (await import('./verbs/run.ts')).run(model, options));

program
  .command('train')
  .description('train a recipe; SIGINT and SIGTERM save and stop, --resume goes on exactly')
  .argument('<recipe>', 'file.zoo, or file.zoo#recipe where it holds several')
  .requiredOption('--out <dir>', 'run folder: metrics, checkpoints, final weights')
  .addOption(weightsOption())
  .addOption(baseOption())
  .option('--steps <n>', 'stop after this many steps')
  .option('--resume', 'go on from the newest checkpoint in the run folder')
  .option('--ranks <n>', 'train on so many ranks of this machine, each with a device, through mpirun')
  .option('--quiet', 'no remarks and no progress on stderr, warnings alone')
  .addOption(deviceOption())
  .addOption(tuneOption())
  .addOption(profileOption())
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (recipe, options) => {
    // Before anything else: what a run needs takes seconds to load, and preemption does not wait.
    const signal = listenForStop(note);
    try {
      await (await import('./verbs/training/train.ts')).train(recipe, options, signal);
    } finally {
      signal.release();
    }
  });

program
  .command('report')
  .description('report.html of one run, or of several side by side: curves, model, memory, results, pictures')
  .argument('<dirs...>', 'folders that train wrote')
  .option('--out <file>', 'file to write (default: report.html in the folder; here, of several)')
  .action(async (dirs, options) => (await import('./verbs/training/report.ts')).report(dirs, options));

program
  .command('export')
  .description(
    'write a package of zooc, an adapter (the weights that a base has not), or a folder that OpenAI CLIP, open_clip, transformers or onnxruntime load',
  )
  .argument('<run-or-weights>', "a train run's folder, or weights")
  .requiredOption('--model <model>', modelHelp)
  .addOption(
    new Option('--format <format>', 'layout of the folder')
      .choices(['zoo', 'adapter', 'openai', 'open_clip', 'hf', 'onnx'])
      .makeOptionMandatory(),
  )
  .option(
    '--base <weights>',
    'what an adapter is made for (default: what the run started from), or the base of RUN_OR_WEIGHTS',
  )
  .requiredOption('--out <dir>', 'folder to write')
  .addOption(dtypeOption())
  .addOption(
    new Option('--quantize <how>', 'of onnx: matrices as bytes with a scale for each channel').choices([
      'q8',
    ]),
  )
  .option('--data <data>', 'labelled set on which the accuracy that --quantize costs is measured')
  .option('--templates <file>', 'prompts with {} for the class, as evaluate takes them')
  .option('--limit <n>', 'pictures of the labelled set at most, spread over all of it')
  .addOption(maxPixelsOption())
  .addOption(deviceOption())
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (source, options) =>
    (await import('./verbs/exporting/export.ts')).exportVerb(source, options),
  );

program
  .command('bundle')
  .description("a model's towers as a page with plans, weights and player, for any static host; needs no GPU")
  .argument('<model>', modelHelp)
  .option('--entry <entries...>', 'encode_image, encode_text (default: the towers that the model has)')
  .option('--batch <n>', 'pictures or texts at a time', '1')
  .addOption(weightsOption())
  .addOption(baseOption())
  .addOption(
    new Option('--profile <profile>', "kind of device to plan for: the visitors'")
      .choices(['cpu', 'gpu', 'nvidia', 'amd', 'intel', 'apple'])
      .default('gpu'),
  )
  .addOption(dtypeOption())
  .requiredOption('-o, --out <dir>', 'folder to write')
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (model, options) => (await import('./verbs/exporting/bundle.ts')).bundle(model, options));

program
  .command('import')
  .description('convert weights of other projects to our names')
  .argument('<weights>', 'safetensors, PyTorch checkpoint, ONNX, index of shards, or a folder that holds one')
  .addOption(
    new Option('--format <format>', 'where the weights come from')
      .choices(['openai', 'open_clip', 'hf', 'onnx'])
      .makeOptionMandatory(),
  )
  .requiredOption('--model <model>', modelHelp)
  .requiredOption('--out <file>', 'safetensors file to write')
  .addOption(dtypeOption())
  .addOption(setOption())
  .action(async (weights, options) => (await import('./verbs/import.ts')).importWeights(weights, options));

program
  .command('blend')
  .description('weights between two checkpoints of one model: (1 - alpha) first + alpha second (WiSE-FT)')
  .argument('<first>', 'file or folder of weights, such as those that fine-tuning began with')
  .argument('<second>', 'the same of the fine-tuned model')
  .requiredOption('--alpha <x>', 'from 0 (all of the first) to 1')
  .addOption(baseOption())
  .requiredOption('--out <file>', 'safetensors file to write')
  .action(async (first, second, options) => (await import('./verbs/blend.ts')).blend(first, second, options));

program
  .command('classify')
  .description('zero-shot classification: label and probability per image')
  .argument('<model>', modelHelp)
  .argument('<images...>', 'image files')
  .addOption(weightsOption())
  .addOption(baseOption())
  .option('--labels <labels>', labelsHelp)
  .option('--templates <file>', templatesHelp)
  .option('--classifier <file>', 'labels and prompts as zooc classifier wrote them: no text is encoded')
  .option('--top <n>', 'labels to show per image', '5')
  .addOption(maxPixelsOption())
  .addOption(deviceOption())
  .addOption(tuneOption())
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (model, images, options) =>
    (await import('./verbs/classify.ts')).classify(model, images, options),
  );

program
  .command('classifier')
  .description('the classes of zero-shot classification as a file, which classify --classifier takes')
  .argument('<model>', modelHelp)
  .addOption(weightsOption())
  .addOption(baseOption())
  .requiredOption('--labels <labels>', labelsHelp)
  .option('--templates <file>', templatesHelp)
  .requiredOption('--out <file>', 'safetensors file to write')
  .addOption(deviceOption())
  .addOption(tuneOption())
  .addOption(setOption())
  .action(async (model, options) =>
    (await import('./verbs/evaluation/classifier.ts')).classifier(model, options),
  );

const prompts = program
  .command('prompts')
  .description('search: templates of zero-shot classification, chosen on a labelled set')
  .action(() => fail('Z700', 'prompts needs what is to be done', 'zooc prompts search MODEL DATA …'));
prompts
  .command('search')
  .description('the templates that classify a labelled set best together, by forward selection')
  .argument('<model>', modelHelp)
  .argument(
    '<data>',
    "a folder (CLASS/*.jpg, or CLIP_benchmark's shards), a table (.csv, .tsv), or an entry of a JSON list: list.json#NAME",
  )
  .addOption(weightsOption())
  .addOption(baseOption())
  .requiredOption('--templates <file>', 'prompts with {} for the class to choose from (one a line, or JSON)')
  .option('--split <name>', 'split of the set that is searched (default: the one that evaluate tests)')
  .option('--test <data>', 'another set, on which what was chosen is tested once')
  .addOption(
    new Option('--metric <metric>', 'what is raised')
      .choices(['acc1', 'mean_per_class_recall'])
      .default('acc1'),
  )
  .option('--most <n>', 'templates at most (default: as long as one more helps)')
  .option('--limit <n>', 'pictures of a data set at most, spread over all of it')
  .option('--cache <dir>', 'where features are kept: what was encoded once is not again')
  .requiredOption('--out <file>', 'file to write: the chosen templates one a line, or .json')
  .addOption(maxPixelsOption())
  .addOption(deviceOption())
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (model, data, options) =>
    (await import('./verbs/evaluation/prompts.ts')).searchVerb(model, data, options),
  );

program
  .command('evaluate')
  .description(
    'zero-shot, retrieval, linear probe or nearest neighbours on data sets, or on features made before; JSON and a table',
  )
  .argument('[model]', modelHelp)
  .argument(
    '[suite...]',
    "folders (CLASS/*.jpg, or CLIP_benchmark's shards), tables (.csv, .tsv), or a JSON list of them",
  )
  .addOption(weightsOption())
  .addOption(baseOption())
  .addOption(
    new Option('--task <task>', 'what is measured (default: what each data set is for)').choices([
      'zeroshot',
      'retrieval',
      'probe',
      'knn',
    ]),
  )
  .option(
    '--templates <file>',
    'prompts with {} for the class (one a line, or JSON), or a JSON object of prompts by class',
  )
  .option('--cache <dir>', 'where features are kept: what was encoded once is not again')
  .option('--limit <n>', 'pictures of a data set at most, spread over all of it')
  .option('--part <k/n>', 'encode one part of n, into --cache; the part that ends last writes --out')
  .option('--baselines <file>', 'accuracies of standard models, beside which robustness is seen: JSON')
  .option('--features <file>', 'safetensors file to learn from: features [N, D], labels [N]')
  .option(
    '--test <file>',
    'safetensors file to test on: features and labels; scores [N, C] and labels or targets; image_features, text_features and image_of_text',
  )
  .option('--validation <file>', 'rows that choose C (default: a fifth of --features)')
  .option('--C <x>', "weight of a probe's data against its penalty (default: the best by the paper's sweep)")
  .option('--k <list>', 'numbers of neighbours', '1,10,20')
  .option('--temperature <t>', 'neighbours vote exp(cosine / t) (default: all alike)')
  .requiredOption('--out <file>', 'JSON file to write')
  .option('--quiet', 'no remarks, progress and table on stderr, warnings alone')
  .addOption(maxPixelsOption())
  .addOption(deviceOption())
  .addOption(setOption())
  .action(async (model, suite, options) =>
    (await import('./verbs/evaluation/evaluate.ts')).evaluate(model, suite, options),
  );

program
  .command('embed')
  .description(
    'normalised features of images and texts, of shards of pictures, or of lines on standard input',
  )
  .argument('<model>', modelHelp)
  .argument('[source]', '- for standard input: paths or JSON lines, to JSON lines')
  .addOption(weightsOption())
  .addOption(baseOption())
  .option('--images <files...>', 'image files')
  .option('--texts <texts...>', 'texts; @file for one a line')
  .option('--shards <patterns...>', 'tar archives: "a-{0000..0099}.tar", http(s): or pipe:')
  .option('--out <path>', 'file to write: .npy (images or texts) or .safetensors; of shards, a folder')
  .option('--part <k/n>', 'every n-th shard from the k-th on')
  .addOption(
    new Option('--dtype <dtype>', 'element type of the features of shards (default: f16)').choices([
      'f16',
      'f32',
    ]),
  )
  .option('--batch <n>', 'rows that the device takes at once, of shards or lines (default: 64)')
  .option('--workers <n>', 'threads that decode pictures of shards or lines (default: cores - 1, at most 8)')
  .option('--strict', 'of lines: exit code 1 where one has an error')
  .addOption(maxPixelsOption())
  .addOption(deviceOption())
  .addOption(tuneOption())
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (model, source, options) =>
    (await import('./verbs/embedding/embed.ts')).embed(model, source, options),
  );

program
  .command('search')
  .description('the pictures of an index that are nearest to texts or pictures: exact, by cosine')
  .argument('<index>', 'folder that embed --shards wrote')
  .requiredOption('--model <model>', modelHelp)
  .addOption(weightsOption())
  .addOption(baseOption())
  .option('--text <texts...>', 'texts; @file for one a line')
  .option('--image <files...>', 'image files')
  .option('--k <n>', 'results of each', '10')
  .addOption(
    new Option(
      '--index <kind>',
      'approximate search, by an index that is made once (default: exact)',
    ).choices(['hnsw']),
  )
  .option('--recall', 'of --index: search exactly, too, and say how much of that was found')
  .option('--out <file>', 'page of results to write, HTML')
  .addOption(maxPixelsOption())
  .addOption(deviceOption())
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (index, options) => (await import('./verbs/embedding/search.ts')).search(index, options));

program
  .command('pull')
  .description('fetch a model from a hub into the cache, verified; verbs then take it by this name')
  .argument('<name>', 'hf:OWNER/REPO[@REVISION], openai:MODEL, or open_clip:ARCH/TAG')
  .addOption(jsonOption())
  .action(async (name, options) => (await import('./verbs/pull.ts')).pullVerb(name, options));

program
  .command('push')
  .description('send what export wrote to a repository of a hub, which is made where it is not there')
  .argument('<dir>', 'folder that export wrote, or a model of the local zoo')
  .argument('<name>', 'hf:OWNER/REPO, or hf:OWNER/REPO@BRANCH')
  .option('--private', 'a repository that is made is private')
  .option('--message <text>', 'of the commit', 'Upload with zooc')
  .addOption(jsonOption())
  .action(async (dir, name, options) => (await import('./verbs/push.ts')).pushVerb(dir, name, options));

const zoo = program
  .command('zoo')
  .description('add, list, show, remove, catalogue, pack: models under names of your own')
  .action(() => fail('Z700', 'zoo needs what is to be done', 'zooc zoo add EXPORT, zooc zoo list, …'));
zoo
  .command('add')
  .description('copy a package into the local zoo; verbs then take it by its name')
  .argument('<export>', 'folder that export --format zoo wrote, or hf:OWNER/REPO')
  .option('--name <name>', "the name (default: the model's)")
  .option('--results <files...>', 'files that evaluate wrote, for lists and the catalogue')
  .action(async (folder, options) => (await import('./verbs/zoo.ts')).add(folder, options));
zoo
  .command('list')
  .description('the models of the local zoo')
  .addOption(jsonOption())
  .action(async (options) => (await import('./verbs/zoo.ts')).list(options));
zoo
  .command('show')
  .description("a model's card and results")
  .argument('<name>', 'its name')
  .addOption(jsonOption())
  .action(async (name, options) => (await import('./verbs/zoo.ts')).show(name, options));
zoo
  .command('remove')
  .description('delete models of the local zoo')
  .argument('<names...>', 'their names')
  .action(async (names) => (await import('./verbs/zoo.ts')).remove(names));
zoo
  .command('catalogue')
  .description('all models with cards and results as a page')
  .requiredOption('--out <file>', 'page to write, HTML')
  .action(async (options) => (await import('./verbs/zoo.ts')).catalogue(options));
zoo
  .command('pack')
  .description('models with their weights as an npm package that programs import')
  .argument('<names...>', 'models of the local zoo')
  .requiredOption('--name <name>', 'name of the npm package')
  .option('--package-version <version>', 'its version', '1.0.0')
  .requiredOption('--out <dir>', 'folder to write')
  .action(async (names, options) => (await import('./verbs/zoo.ts')).pack(names, options));

program
  .command('tune')
  .description("measure the schedules of a model's kernels on the adapter; later plans use the best")
  .argument('<model>', modelHelp)
  .option('--entry <entries...>', `${entryHelp} (default: the towers)`)
  .option('--batch <n>', 'number of pairs: measurements hold for one', '1')
  .option('--train', 'the kernels of a training step instead of an entry')
  .addOption(precisionOption())
  .addOption(setOption())
  .addOption(jsonOption())
  .action(async (model, options) => (await import('./verbs/tune.ts')).tune(model, options));

program
  .command('shards')
  .description(
    "a table's pairs as tar archives that webdataset(...), open_clip and img2dataset's readers take",
  )
  .argument('<table>', 'CSV or TSV with a header line')
  .requiredOption('--out <dir>', 'folder to write: 00000.tar, 00001.tar, …, sizes.json')
  .option('--image <column>', "the picture's path, relative to the table", 'filepath')
  .option('--text <column>', 'what goes into the member txt (default: title, without --fields)')
  .option('--fields <columns>', 'comma-separated columns that go into the member json')
  .option('--per-shard <n>', 'samples in a shard', '10000')
  .option('--separator <character>', 'between cells (default: found)')
  .option('--quote <character>', 'around cells (default: "), or none')
  .option('--encoding <name>', 'of the table (default: found)')
  .addOption(jsonOption())
  .action(async (table, options) => (await import('./verbs/training/shards.ts')).shards(table, options));

program
  .command('curate')
  .description('keys of the pairs to train on, so that no query has many more of them than others')
  .argument('<shards...>', 'tar archives as webdataset(...) reads them, or parquet files of img2dataset')
  .requiredOption('--queries <file>', 'words or phrases, one a line')
  .option('--per-query <n>', 'queries that more pairs match keep a share of them', '20000')
  .option('--seed <s>', 'another choice for each', '0')
  .option(
    '--text <column>',
    'extension, json.FIELD or column of the caption (default: txt, of parquet caption)',
  )
  .option('--image <extensions>', 'of the picture', 'jpg;png;jpeg;webp')
  .option('--counts <files...>', 'counts of all shards, made before by --count-only')
  .option('--count-only', 'count the matches and write them to the file of --counts')
  .option('--part <k/n>', 'of the shards: those of one of n machines')
  .option('--out <file>', 'keys that are kept, one a line: keep = FILE of webdataset(...)')
  .option('--plot <file>', 'SVG: pairs by query, before and after')
  .addOption(jsonOption())
  .action(async (shards, options) => (await import('./verbs/training/curate.ts')).curate(shards, options));

program
  .command('devices')
  .description('every adapter that can be had, which one is used and why')
  .addOption(jsonOption())
  .action(async (options) => (await import('./verbs/devices.ts')).devices(options));

program
  .command('selftest')
  .description(
    'every kernel family and schedule of the adapter against double precision; exit code 1 where one is wrong',
  )
  .option('--quick', 'the schedules that the adapter uses, not all')
  .option('--only <parts...>', 'operations, contract, attention, rows, models, training, ceilings')
  .option('--out <file>', 'write the report as Markdown, with the WGSL of what failed')
  .addOption(jsonOption())
  .action(async (options) => (await import('./verbs/selftest.ts')).selftestVerb(options));

program
  .command('bench')
  .description("speed against the adapter's own matrix-product ceiling, measured in the same run")
  .option('--runs <n>', 'timed runs of each case; the median counts', '5')
  .option('--only <cases...>', 'names of cases')
  .addOption(precisionOption())
  .addOption(profileOption())
  .addOption(jsonOption())
  .action(async (options) => (await import('./verbs/bench.ts')).bench(options));

/** commander's refusals as diagnostics; help and version count as done. */
function usage(error: CommanderError): void {
  if (error.exitCode === 0 || error.code === 'commander.help') return;
  fail('Z700', error.message.replace(/^error: /, ''), 'zooc --help, zooc VERB --help');
}

async function main(argv: readonly string[]): Promise<void> {
  try {
    if (argv.length <= 2) program.help();
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    usage(error);
  }
}

/** One call of the command line; `argv` as Node gives it. Sets `process.exitCode`. */
export async function runCli(argv: readonly string[]): Promise<void> {
  try {
    await main(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

// A command that npm installs is a link to this file.
if (realpathSync(process.argv[1] ?? '.') === fileURLToPath(import.meta.url))
  await runProcess(() => runCli(process.argv));
