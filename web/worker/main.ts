/** The program of both workers, one file that is fetched once: the worker's name says which of them it is. */
import * as Comlink from 'comlink';
import { deviceWorker } from './device.ts';
import { carryFailures } from './failures.ts';
import { languageWorker } from './language.ts';

carryFailures();
Comlink.expose(self.name === 'device' ? deviceWorker : languageWorker);
