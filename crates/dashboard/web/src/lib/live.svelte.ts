/** What time it is, and looking again now and then while somebody looks. */

class Clock {
  now = $state(Date.now());

  constructor() {
    setInterval(() => (this.now = Date.now()), 1_000);
  }
}

export const clock = new Clock();

/** How often lists are looked at again. */
const LOOK_EVERY_MS = 2_000;

/** Calls `look` again and again while the page is visible, never twice at once. To be used in an effect. */
export function lookAgain(look: () => Promise<unknown>, every = LOOK_EVERY_MS): () => void {
  let timer: ReturnType<typeof setTimeout>;
  let isEnded = false;
  const next = () => {
    if (!isEnded) timer = setTimeout(go, every);
  };
  const go = () => {
    if (document.hidden) return next();
    look().catch(() => {}).finally(next);
  };
  next();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}
