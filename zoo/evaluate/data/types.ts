/** Data of an evaluation: pictures by number, and what is known of each. */
import type { DataFile } from '../../../runtime/data/files/data-file.ts';
import type { ClassName, Prompts } from '../prompts.ts';

/** Pictures in an order that is always the same. */
export interface Pictures {
  /** What messages call them all. */
  readonly name: string;
  readonly count: number;
  /** Of which pictures there are and what is known of them; changes when they do. */
  readonly identity: string;
  /** How messages call one of them, and where its bytes are. @throws Error with the reason */
  picture(index: number): Promise<{ readonly name: string; readonly file: DataFile }>;
}

/** What is right for the pictures of a set, by kind of the set. */
export type Truth =
  | {
      readonly kind: 'classification';
      /** Class of each picture. */
      readonly labels: Int32Array;
    }
  | {
      readonly kind: 'multilabel';
      /** 1 for each class that is right, [pictures, classes]. */
      readonly targets: Int32Array;
    }
  | {
      readonly kind: 'retrieval';
      /** Texts of each picture. */
      readonly texts: readonly (readonly string[])[];
    };

export interface EvaluationSet {
  readonly pictures: Pictures;
  readonly truth: Truth;
}

/** What the classes of a data set are called, as far as the data set says. */
export interface ClassNames {
  readonly classes?: readonly ClassName[];
  /** The data set labels its pictures with these names; else with numbers, which other names may be given to. */
  readonly named?: boolean;
  readonly prompts?: Prompts;
}

/** A data set with everything that is known of it. */
export interface OpenedData extends EvaluationSet {
  /** Where it has classes and their names are known. */
  readonly classes: readonly ClassName[] | undefined;
  readonly prompts: Prompts;
}
