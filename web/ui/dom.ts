/** Elements in one expression: what a page without a framework needs. */

type Handlers = {
  readonly [E in keyof HTMLElementEventMap as `on${E}`]?: (event: HTMLElementEventMap[E]) => void;
};

/** Attributes by name (`true` is an attribute without a value, `false` and undefined are none), handlers as `onclick`. */
export type Properties = Handlers & {
  readonly [attribute: string]: string | number | boolean | undefined | ((event: never) => void);
};

export type Child = Node | string | undefined | readonly Child[];

function append(parent: Element, child: Child): void {
  if (child === undefined) return;
  if (typeof child === 'string' || child instanceof Node) parent.append(child);
  else for (const each of child) append(parent, each);
}

function setAll(element: Element, properties: Properties): void {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
}

/** An element of HTML with its children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAll(element, properties);
  append(element, children);
  return element;
}

/** An element of SVG with its children. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAll(element, properties);
  append(element, children);
  return element;
}

let ids = 0;

/** A name that no other element of the page has. */
export function newId(prefix: string): string {
  ids++;
  return `${prefix}-${ids}`;
}

/** A control under its label, with a hint that screen readers read with it. */
export function field(label: string, control: HTMLElement, hint?: string): HTMLElement {
  const id = newId('field');
  control.id = id;
  if (hint === undefined) return h('div', { class: 'field' }, h('label', { for: id }, label), control);
  control.setAttribute('aria-describedby', `${id}-hint`);
  const told = h('p', { class: 'hint', id: `${id}-hint` }, hint);
  return h('div', { class: 'field' }, h('label', { for: id }, label), control, told);
}

/** Puts children in place of what an element has. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren();
  append(element, children);
}
