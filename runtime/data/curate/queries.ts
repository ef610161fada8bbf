/**
 * The queries that captions are matched with: a trie over words, so that a caption takes a step or two for each of
 * its words, however many queries there are and however long they are.
 */
import { createHash } from 'node:crypto';
import { fmix32 } from '../random.ts';
import { eachWord, wordsOf } from './words.ts';

/** Edges of the trie, from a node by a word to a node: a hash table of numbers. */
class Edges {
  #nodes = new Int32Array(2 ** 10);
  #words = new Int32Array(2 ** 10);
  /** 0 where there is none: no edge leads to the root. */
  #targets = new Int32Array(2 ** 10);
  #count = 0;

  /** 0 where there is none. */
  target(node: number, word: number): number {
    return this.#targets[this.#slot(node, word)]!;
  }

  add(node: number, word: number, target: number): void {
    if (2 * ++this.#count > this.#targets.length) this.#grow();
    this.#set(node, word, target);
  }

  #set(node: number, word: number, target: number): void {
    const slot = this.#slot(node, word);
    this.#nodes[slot] = node;
    this.#words[slot] = word;
    this.#targets[slot] = target;
  }

  /** Where the edge is, or would be. */
  #slot(node: number, word: number): number {
    const mask = this.#targets.length - 1;
    let slot = fmix32(Math.imul(node, 0x9e3779b1) ^ word) & mask;
    while (this.#targets[slot] !== 0 && (this.#nodes[slot] !== node || this.#words[slot] !== word))
      slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [nodes, words, targets] = [this.#nodes, this.#words, this.#targets];
    const length = 2 * targets.length;
    this.#nodes = new Int32Array(length);
    this.#words = new Int32Array(length);
    this.#targets = new Int32Array(length);
    for (const [slot, target] of targets.entries())
      if (target !== 0) this.#set(nodes[slot]!, words[slot]!, target);
  }
}

export class Queries {
  /** Queries whose words differ; blank ones are none. */
  readonly count: number;
  /** Of all their words in order. */
  readonly digest: string;
  readonly #words = new Map<string, number>();
  readonly #edges = new Edges();
  /** The query that ends at a node, or -1. */
  readonly #ends: number[] = [-1];
  /** The last text that matched a query, by number. */
  readonly #last: Float64Array;
  #text = 0;
  readonly #caption: number[] = [];

  constructor(lines: Iterable<string>) {
    const digest = createHash('sha256');
    let count = 0;
    for (const line of lines) {
      const words = wordsOf(line);
      const node = words.reduce((at, word) => this.#step(at, word), 0);
      if (node === 0 || this.#ends[node] !== -1) continue;
      this.#ends[node] = count++;
      digest.update(`${words.join(' ')}\n`);
    }
    this.count = count;
    this.digest = digest.digest('hex');
    this.#last = new Float64Array(count);
  }

  /** The node behind another by a word, which is made where there is none. */
  #step(node: number, word: string): number {
    let id = this.#words.get(word);
    if (id === undefined) {
      id = this.#words.size;
      this.#words.set(word, id);
    }
    const known = this.#edges.target(node, id);
    if (known !== 0) return known;
    const made = this.#ends.push(-1) - 1;
    this.#edges.add(node, id, made);
    return made;
  }

  /** Numbers of the queries whose words stand behind each other in the text, each once. */
  match(text: string): number[] {
    const stamp = ++this.#text;
    const words = this.#caption;
    words.length = 0;
    eachWord(text, (word) => words.push(this.#words.get(word) ?? -1));
    const found: number[] = [];
    for (let first = 0; first < words.length; first++) {
      let node = 0;
      for (let at = first; at < words.length; at++) {
        const word = words[at]!;
        node = word < 0 ? 0 : this.#edges.target(node, word);
        if (node === 0) break;
        const query = this.#ends[node]!;
        if (query < 0 || this.#last[query] === stamp) continue;
        this.#last[query] = stamp;
        found.push(query);
      }
    }
    return found;
  }
}
