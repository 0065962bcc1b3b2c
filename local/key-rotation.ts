import { newSecrets, type Keys } from '#local/secrets.ts';

/** The steps of a rotation, in their order; each has to reach every function before the next one begins. */
export const steps = ['accept', 'sign', 'retire'] as const;
export type Step = (typeof steps)[number];

/**
 * One step in the rotation of the keys of events and tokens: `accept` adds new ones that nothing is signed with yet,
 * `sign` signs with them, `retire` takes the old ones away. The step that was made last leaves the keys as they are: it may
 * have stopped before it had reached every function, and is applied again. Throws one sentence for any other step.
 */
export function rotated(keys: Keys, step: Step): Keys {
  const turn = nextStep(keys);
  if (step === stepBefore(turn)) return keys;
  if (turn !== step) throw new Error(`The next step is "${turn}", not "${step}".`);
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

/** Which step comes next, as the keys tell. */
export function nextStep({ EVENT_KEYS, NEXT_TOKEN_PRIVATE_KEY }: Keys): Step {
  if (NEXT_TOKEN_PRIVATE_KEY) return 'sign';
  return EVENT_KEYS.includes(',') ? 'retire' : 'accept';
}

const stepBefore = (step: Step): Step => steps[(steps.indexOf(step) + steps.length - 1) % steps.length] ?? step;

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
