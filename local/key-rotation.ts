import { newSecrets, type Keys } from '#local/secrets.ts';

/** The steps of a rotation in order; each has to reach every function before the next one begins. */
export const steps = ['accept', 'sign', 'retire'] as const;
export type Step = (typeof steps)[number];

/**
 * One step in the rotation of the keys of events and tokens: `accept` adds new keys that nothing is signed with yet,
 * `sign` signs with them, `retire` removes the old ones. The last step can be repeated, because it may not have reached
 * every function: the keys do not change. Throws one sentence if another step is due.
 */
export function rotated(keys: Keys, step: Step): Keys {
  if (isLastStep(keys, step)) return keys;
  const next = nextStep(keys);
  if (next !== step) throw new Error(`The next step is "${next}", not "${step}".`);
  return { ...changed(keys, step), ROTATION_STEP: step };
}

function changed(keys: Keys, step: Step): Keys {
  switch (step) {
    case 'accept':
      return withNewKeys(keys);
    case 'sign':
      return signingWithNewKeys(keys);
    case 'retire':
      return withoutOldKeys(keys);
    default:
      return step satisfies never;
  }
}

/** Whether a step was the last one; it may not have reached every function. */
export const isLastStep = (keys: Keys, step: Step): boolean => lastStep(keys) === step;

/** The message when a step is repeated. */
export const repeatNotice = (step: Step) => `The step "${step}" was made before; its keys are applied again.`;

/** Which step comes next. */
export function nextStep(keys: Keys): Step {
  const last = lastStep(keys);
  return last === 'accept' ? 'sign' : last === 'sign' ? 'retire' : 'accept';
}

/** The recorded step; older versions recorded none, but an unfinished rotation shows in the keys. */
function lastStep({ EVENT_KEYS, NEXT_TOKEN_PRIVATE_KEY, ROTATION_STEP }: Keys): Step | undefined {
  if (ROTATION_STEP) return ROTATION_STEP as Step;
  if (NEXT_TOKEN_PRIVATE_KEY) return 'accept';
  return EVENT_KEYS.includes(',') ? 'sign' : undefined;
}

function withNewKeys(keys: Keys): Keys {
  const made = newSecrets();
  return {
    ...keys,
    EVENT_KEYS: `${keys.EVENT_KEYS},${made.EVENT_KEYS}`,
    TOKEN_PUBLIC_KEYS: JSON.stringify({ keys: [...keySet(keys.TOKEN_PUBLIC_KEYS), ...keySet(made.TOKEN_PUBLIC_KEYS)] }),
    NEXT_TOKEN_PRIVATE_KEY: made.TOKEN_PRIVATE_KEY,
  };
}

function signingWithNewKeys({ NEXT_TOKEN_PRIVATE_KEY = '', ...keys }: Keys): Keys {
  return {
    ...keys,
    // the first of them signs
    EVENT_KEYS: keys.EVENT_KEYS.split(',').toReversed().join(','),
    TOKEN_PRIVATE_KEY: NEXT_TOKEN_PRIVATE_KEY,
  };
}

function withoutOldKeys(keys: Keys): Keys {
  const { kid } = JSON.parse(keys.TOKEN_PRIVATE_KEY) as { kid: string };
  return {
    ...keys,
    EVENT_KEYS: keys.EVENT_KEYS.split(',')[0] ?? '',
    TOKEN_PUBLIC_KEYS: JSON.stringify({ keys: keySet(keys.TOKEN_PUBLIC_KEYS).filter((key) => key.kid === kid) }),
  };
}

const keySet = (text: string) => (JSON.parse(text) as { keys: { kid: string }[] }).keys;
