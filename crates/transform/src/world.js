// What a transform finds around itself: the language without a clock, without chance, without a way to share memory
// or to wait, and without a way to make code from text. Runs before each transform, in a world of its own.
(() => {
  const unwanted = [
    "eval", "Function", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry", "performance", "queueMicrotask",
  ];
  for (const name of unwanted) delete globalThis[name];

  // Each kind of function leads to a constructor that compiles text.
  for (const kind of [function () {}, function* () {}, async function () {}, async function* () {}])
    delete Object.getPrototypeOf(kind).constructor;

  const missing = (what, instead) => () => {
    throw new TypeError(`${what} is not available in a transform; ${instead}`);
  };
  const noClock = missing("the current time", "take it from the event");
  Object.defineProperty(Math, "random", { value: missing("Math.random", "derive what you need from the event") });

  // Dates can be read and written; only the one that means "now" is missing.
  const System = Date;
  function Dated(...parts) {
    if (new.target === undefined || parts.length === 0) noClock();
    return Reflect.construct(System, parts, new.target);
  }
  Object.defineProperties(Dated, {
    name: { value: "Date" },
    length: { value: System.length },
    prototype: { value: System.prototype, writable: false },
    now: { value: noClock },
    parse: { value: System.parse },
    UTC: { value: System.UTC },
  });
  Object.defineProperty(System.prototype, "constructor", { value: Dated });
  Object.defineProperty(globalThis, "Date", { value: Dated });

  // For the caller: half a surrogate pair becomes U+FFFD, as wherever the web encodes text.
  const { apply } = Reflect;
  const { toWellFormed } = String.prototype;
  return (text) => apply(toWellFormed, text, []);
})();
