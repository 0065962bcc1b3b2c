const reasons: [pattern: RegExp, sentence: (folder: string) => string][] = [
  [
    /could not look up effective user ID/,
    () =>
      'The user of this process has no entry in /etc/passwd, which Postgres needs: start as a user that exists in the system (or ' +
      'the image), or set DATABASE_URL to a Postgres of your own.',
  ],
  [
    // before the disk below, whose errors have the same text
    /shared memory/i,
    () =>
      'The shared memory of this system (/dev/shm) is too small for Postgres: increase it to 64 MB, in a container with ' +
      '--shm-size=64m, or set DATABASE_URL to a Postgres of your own.',
  ],
  [
    /ENOSPC|No space left on device|could not extend file|EDQUOT|quota exceeded/i,
    (folder) => `The disk that holds ${folder} is full: free some space and start again.`,
  ],
  [
    /EACCES|EPERM|EROFS|Permission denied|wrong ownership|Read-only file system/i,
    (folder) => `Postgres may not use ${folder}: start as its owner, or make it writable for the current user.`,
  ],
  [
    /database files are incompatible with server/,
    (folder) =>
      `${folder} was created by another version of Postgres: move it away to start with an empty database, or run that version and set DATABASE_URL.`,
  ],
  [
    /spawn .*ENOENT|error while loading shared libraries/,
    () =>
      `The embedded Postgres does not run on this system (${process.platform}-${process.arch}, perhaps without glibc): set DATABASE_URL to a Postgres 18 of your own.`,
  ],
];

/** Explains an error of Postgres or the system to the operator in one sentence. The original is the error's cause. */
export function explain(original: string | Error, folder: string): Error {
  const text = (typeof original === 'string' ? original : original.message).trim();
  const sentence = reasons.find(([pattern]) => pattern.test(text))?.[1](folder);
  const last = /(?:FATAL|PANIC|error): +(.*)/.exec(text)?.[1] ?? text.split('\n').at(-1);
  return new Error(sentence ?? `Postgres did not start in ${folder}: ${last || 'no reason given'}.`, {
    cause: original,
  });
}
