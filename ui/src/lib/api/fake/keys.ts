//! Keys of people in the fake: mira's and sam's in the keyring, and those that are made.
import type { AppError, KeyFileRequest, NewKeyRequest, OwnKeysView, PersonalKeyView } from '../api';
import { digest } from './seed';

const refuse = (code: AppError['code'], message: string, hint: string): never => {
  throw { code, message, hint } satisfies AppError;
};

function keyOf(name: string, algorithm: string, place: string): PersonalKeyView {
  const fingerprint = digest(`key of ${name}`);
  const word = globalThis.btoa(fingerprint.slice(0, 33));
  return { name, fingerprint, algorithm, pem: `-----BEGIN PUBLIC KEY-----\n${word}\n-----END PUBLIC KEY-----\n`, public_key: word, place };
}

export class FakeKeys {
  #keys: PersonalKeyView[];

  constructor(
    private readonly ruled: boolean,
    some: boolean,
    private readonly keyringProblem: string | null,
  ) {
    this.#keys = some ? [keyOf('mira', 'Ed25519', 'keyring'), keyOf('sam', 'Ed25519', 'keyring')] : [];
  }

  of(): OwnKeysView {
    return { keys: this.#keys, asks_as: this.ruled ? 'mira' : null, unknown: null };
  }

  #add(key: PersonalKeyView): PersonalKeyView {
    this.#keys = [...this.#keys, key].sort((a, b) => (a.name < b.name ? -1 : 1));
    return key;
  }

  #free(name: string): void {
    if (this.#keys.some((key) => key.name === name)) refuse('invalid', `there is a key named ${name} already`, 'choose another name');
  }

  make({ name, algorithm, file }: NewKeyRequest): PersonalKeyView {
    this.#free(name);
    if (file === null && this.keyringProblem !== null) refuse('keyring', `the key was not kept: ${this.keyringProblem}`, 'unlock the keyring, or keep the key in a file: plumb key new NAME --file FILE');
    return this.#add(keyOf(name, algorithm === 'ed25519' ? 'Ed25519' : 'ECDSA P-256', file?.path ?? 'keyring'));
  }

  take(name: string, { path, passphrase }: KeyFileRequest): PersonalKeyView {
    this.#free(name);
    if (passphrase !== 'open sesame') refuse('keyring', `${path}: the passphrase is another`, 'give a file that `plumb key new --file` or `openssl pkcs8 -topk8` wrote, and its passphrase');
    const person = /([a-z]+)\.pem$/.exec(path)?.[1] ?? name;
    return this.#add({ ...keyOf(person, 'Ed25519', path), name });
  }
}
