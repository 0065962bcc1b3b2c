// What has to be undone whatever happens: a fault that lasts until it is lifted. The program also undoes it on Ctrl-C.

const open = new Set<() => Promise<unknown>>();

/** Runs `work`, and then `undo`, also if `work` fails or the program is interrupted. */
export async function undoing<Result>(undo: () => Promise<unknown>, work: () => Promise<Result>): Promise<Result> {
  open.add(undo);
  try {
    return await work();
  } finally {
    await undo();
    open.delete(undo);
  }
}

/** Undoes everything that is still to be undone. */
export async function undoAll(): Promise<void> {
  await Promise.all([...open].map((undo) => undo()));
}
