/** How much was owed at each look since the dashboard was opened, for the last hour; the server keeps what is older. */

/** Looks are 5 seconds apart: this is an hour of them. */
const LOOKS_MAX = 720;

class Backlog {
  /** In seconds. */
  times = $state.raw<number[]>([]);
  values = $state.raw<number[]>([]);

  note(owed: number): void {
    this.times = [...this.times.slice(1 - LOOKS_MAX), Date.now() / 1_000];
    this.values = [...this.values.slice(1 - LOOKS_MAX), owed];
  }
}

export const backlog = new Backlog();
