import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { existing, useScript } from './use-script.ts';

// What ./shop.sh needs on a machine.

const script = useScript();

test('start names every missing program, with the command that installs it', async () => {
  for (const name of ['kubectl', 'minikube', 'func']) rmSync(path.join(script.folder, 'bin', name));
  const { status, stderr } = await script.run(['start']);
  expect(status).toBe(1);
  expect(stderr).toContain('kubectl: brew install kubernetes-cli');
  expect(stderr).toContain('func: brew install knative-extensions/kn-plugins/func');
  expect(stderr).toContain('minikube: brew install minikube');
});

test('doctor prints what it found', async () => {
  await script.startOnce(['--existing'], existing);
  const { status, stdout } = await script.run(['doctor']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/macos[^]*kubectl: .*bin\/kubectl[^]*context other-cluster/);
});

describe('the script itself', () => {
  const source = readFileSync('shop.sh', 'utf8');

  test('uses only features of bash 3.2 and the tools of macOS', async () => {
    // features of bash 4 and 5, and GNU extensions
    const newer = [
      /\b(mapfile|readarray|coproc)\b/,
      /declare -[Ag]/,
      /local -n/,
      /\bwait -n/,
      /\$\{\w+(,,|\^\^|@)/,
      /&>>|\|&/,
      /;;&/,
      /\bEPOCH/,
      /\bBASHPID/,
      /(^|[\s|(])timeout \d|\b(sha256sum|realpath|readlink -f|nproc|tac|stdbuf)\b/,
      /sed (-i|-r)/,
      /grep (-P|-oP)/,
      /date -d/,
      /\bbase64 -\w/,
      /xargs/,
      /\bstat -c/,
      /\bcp -t/,
      /head -n -/,
    ];
    const code = source.replaceAll(/^\s*#.*$/gm, '');
    expect(newer.flatMap((pattern) => pattern.exec(code)?.[0] ?? [])).toEqual([]);
    // an empty array under `set -u` is an error in bash 3.2
    expect(code).not.toMatch(/\w+=\(\)/);
  });

  const shellcheck = spawnSync('shellcheck', ['--version']);
  (shellcheck.error ? test.skip : test)('passes shellcheck', () => {
    const { stdout } = spawnSync('shellcheck', ['-S', 'warning', 'shop.sh', 'platform/runtime/init.sh', '.ci/run'], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
  });
});
