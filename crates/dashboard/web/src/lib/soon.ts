/** Work that is asked for often: it is done at once, never twice at a time, and once more if it was asked for meanwhile. */
export function oneAtATime(work: () => Promise<unknown>): () => void {
  let isBusy = false;
  let isAsked = false;
  const go = async () => {
    if (isBusy) return void (isAsked = true);
    isBusy = true;
    do {
      isAsked = false;
      await work().catch(() => {});
    } while (isAsked);
    isBusy = false;
  };
  return () => void go();
}
