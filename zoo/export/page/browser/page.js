/** Runs the plans that lie beside it on the visitor's GPU: pictures against labels, or either to features. */
import { load } from './plan.js';

/** @type {<T extends HTMLElement>(selector: string) => T} */
const find = (selector) => /** @type {never} */ (document.querySelector(selector));
/** @type {[HTMLFieldSetElement, HTMLInputElement, HTMLTextAreaElement]} */
const [controls, pictures, texts] = [find('fieldset'), find('#pictures'), find('#texts')];

let loaded = false;

/** @param {() => Promise<string>} work */
async function attempt(work) {
  const status = find('[role=status]');
  controls.disabled = true;
  status.textContent = loaded ? 'Running …' : 'Loading …';
  status.textContent = await work().catch((error) => String(error.message));
  controls.disabled = !loaded;
}

/** @param {string} name @param {string} result */
function show(name, result) {
  const [heading, text] = [document.createElement('h2'), document.createElement('pre')];
  [heading.textContent, text.textContent] = [name, result];
  find('output').append(heading, text);
}

/** @param {ArrayLike<number>} feature */
const numbers = (feature) => JSON.stringify(Array.from(feature));

await attempt(async () => {
  const plans = await (await fetch('plans.json')).json();
  document.title = find('h1').textContent = plans.model;
  const encoder = await load(plans, 'weights.safetensors');
  /** @type {HTMLElement} */ (pictures.parentElement).hidden = !plans.picture;
  /** @type {HTMLElement} */ (texts.parentElement).hidden = !plans.text;
  [pictures.required, texts.required] = [Boolean(plans.picture), Boolean(plans.text)];
  if (plans.picture) find('label span').textContent = 'Labels';

  const run = async () => {
    find('output').replaceChildren();
    const [files, lines] = [
      [...(pictures.files ?? [])],
      texts.value.split('\n').filter((line) => line.trim()),
    ];
    const start = performance.now();
    for (const file of files) {
      const found = plans.text ? await encoder.classify(file, lines) : undefined;
      const scores = found?.map((one) => `${(100 * one.score).toFixed(2)} %  ${one.label}`).join('\n');
      show(file.name, scores ?? numbers(await encoder.encodeImage(file)));
    }
    if (!plans.picture) for (const line of lines) show(line, numbers(await encoder.encodeText(line)));
    return `${Math.round(performance.now() - start)} ms`;
  };
  find('form').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(run);
  });
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    if (controls.disabled || !event.dataTransfer?.files.length) return;
    pictures.files = event.dataTransfer.files;
    attempt(run);
  });
  loaded = true;
  return 'Ready';
});
