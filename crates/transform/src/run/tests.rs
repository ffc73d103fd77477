//! What a run makes of what people write. What only the end of a process can stop is in `tests/hostile.rs`.

use super::*;

const EVENT: &str = r#"{"id":"evt_1","type":"github.push","data":{"n":3,"list":[1,2],"text":"é 😀"}}"#;

fn run_on(source: &str, event: &str) -> Result<Transformed, Failed> {
    compile(source).unwrap_or_else(|not| panic!("{source}: {not}"));
    run(source, event)
}

/// The body that a source makes of the event.
fn body_of(source: &str) -> String {
    match run_on(source, EVENT) {
        Ok(Transformed::Request { body, headers }) if headers.is_empty() => body,
        other => panic!("{source}: {other:?}"),
    }
}

fn failure_of(source: &str) -> Failed {
    match run_on(source, EVENT) {
        Err(failed) => failed,
        Ok(made) => panic!("{source}: {made:?}"),
    }
}

fn refusal_of(source: &str) -> NotATransform {
    compile(source).expect_err(source)
}

#[test]
fn a_source_is_a_function_however_it_is_written() {
    for source in [
        "(event) => event.type",
        "event => event.type;",
        "event => event.type // what it is about",
        "event => event.type; // what it is about",
        "function (event) { return event.type }",
        "function transform(event) { return event.type }\n",
        "// first\nfunction transform(event) {\n  return event.type;\n}\n// last",
        "const shout = (text) => text;\n(event) => shout(event.type)",
        "function of(event) { return event.type } of",
        "'use strict';\n({ type }) => type",
        "(() => { const field = 'type'; return (event) => event[field]; })()",
    ] {
        assert_eq!(body_of(source), "github.push", "{source}");
    }
}

#[test]
fn what_is_no_function_is_told_so() {
    for (source, what) in [
        ("", "nothing (undefined)"),
        ("  // empty", "nothing (undefined)"),
        ("42", "a number"),
        ("({ transform: (event) => event })", "an object"),
        ("const transform = (event) => event;", "nothing (undefined)"),
        ("async (event) => event", "an async function; nothing would wait for it"),
        ("async function transform(event) { return event }", "an async function; nothing would wait for it"),
        ("function* transform(event) { yield event }", "a generator function"),
    ] {
        assert_eq!(refusal_of(source), NotATransform::NotAFunction(what.to_owned()), "{source}");
    }
}

#[test]
fn a_syntax_error_has_its_place_and_reason() {
    for (source, place) in [
        ("(event) => { return event.; }", (1, 27)),
        ("(event) => {\n  return 1 +;\n}", (2, 13)),
        ("function (event) { let = }", (1, 24)),
        ("const a = 1;\n(event) => { a b }", (2, 16)),
        ("function first(event) {}\nfunction second(event) { ] }", (2, 26)),
        ("export default (event) => event", (1, 1)),
        ("import x from 'fs'; (event) => x", (1, 8)),
        ("event =>\n\0 event", (2, 1)),
        ("(event) => event)", (1, 17)),
    ] {
        match refusal_of(source) {
            NotATransform::Syntax { message, line, column } => {
                assert_eq!((line, column), place, "{source}: {message}");
                assert!(!message.is_empty());
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[test]
fn a_source_that_fails_before_it_is_a_function_is_refused() {
    assert!(matches!(
        refusal_of("missing.field; (event) => event"),
        NotATransform::Failed(Failed::Threw { .. })
    ));
    assert_eq!(refusal_of("for (;;); (event) => event"), NotATransform::Failed(Failed::TooSlow));
    assert_eq!(refusal_of(&" ".repeat(SOURCE_BYTES_MAX + 1)), NotATransform::TooLarge(SOURCE_BYTES_MAX + 1));
    let longest = format!("(event) => 1{}", " ".repeat(SOURCE_BYTES_MAX - 12));
    assert_eq!(body_of(&longest), "1");
}

#[test]
fn null_sends_nothing() {
    assert_eq!(run_on("() => null", EVENT), Ok(Transformed::Skip));
}

#[test]
fn a_text_is_sent_as_it_is_and_the_rest_as_json() {
    for (source, body) in [
        ("() => 'plain \"text\"'", "plain \"text\""),
        ("() => ''", ""),
        ("() => true", "true"),
        ("() => [1, 'two', null, undefined]", "[1,\"two\",null,null]"),
        ("() => ({ a: 1, b: undefined, c() {} })", "{\"a\":1}"),
        ("({ data }) => ({ twice: data.n * 2 })", "{\"twice\":6}"),
        ("(event) => new Proxy({ a: 1 }, {})", "{\"a\":1}"),
        ("() => new Date(0)", "\"1970-01-01T00:00:00.000Z\""),
        ("() => new Map([[1, 2]])", "{}"),
    ] {
        assert_eq!(body_of(source), body, "{source}");
    }
    assert_eq!(body_of("(event) => event"), EVENT);
}

#[test]
fn only_body_and_headers_are_an_envelope() {
    let made = |source| match run_on(source, EVENT) {
        Ok(Transformed::Request { body, headers }) => (body, headers),
        other => panic!("{source}: {other:?}"),
    };
    let (plain, one) = (Vec::new(), vec![("X-A".to_owned(), "1".to_owned())]);
    for (source, body, headers) in [
        ("() => ({ body: 'text' })", "text", &plain),
        ("() => ({ body: { a: 1 }, headers: { 'X-A': '1' } })", "{\"a\":1}", &one),
        ("() => ({ headers: { 'X-A': '1' }, body: null })", "null", &one),
        ("() => ({ body: 'text', headers: {} })", "text", &plain),
        ("() => ({ body: 'text', headers: null })", "text", &plain),
        ("() => ({ body: { body: 'text' } })", "{\"body\":\"text\"}", &plain),
        ("() => ({ body: 'text', title: 'x' })", "{\"body\":\"text\",\"title\":\"x\"}", &plain),
        ("() => ({ headers: { 'X-A': '1' } })", "{\"headers\":{\"X-A\":\"1\"}}", &plain),
        ("() => ['body']", "[\"body\"]", &plain),
    ] {
        assert_eq!(made(source), (body.to_owned(), headers.clone()), "{source}");
    }
}

#[test]
fn what_cannot_be_sent_is_told_so() {
    for (source, what) in [
        ("() => {}", "nothing (undefined); return null to send nothing"),
        ("() => ({ body: undefined })", "nothing (undefined); return null to send nothing"),
        ("() => () => 1", "a function"),
        ("() => Symbol('x')", "a symbol"),
        ("() => 10n", "a BigInt"),
        ("() => Promise.resolve(1)", "a promise; a transform cannot be async"),
        ("() => (async () => 1)()", "a promise; a transform cannot be async"),
        ("() => ({ toJSON() {} })", "an object whose toJSON returns nothing"),
    ] {
        assert_eq!(failure_of(source), Failed::NotRepresentable(what.to_owned()), "{source}");
    }
    for source in ["() => { const a = {}; a.a = [a]; return a }", "() => ({ n: 10n })"] {
        assert!(matches!(failure_of(source), Failed::NotRepresentable(_)), "{source}");
    }
}

#[test]
fn numbers_are_those_of_json() {
    assert_eq!(
        body_of("() => [NaN, Infinity, -Infinity, -0, 1e21, 0.1 + 0.2]"),
        "[null,null,null,0,1e+21,0.30000000000000004]"
    );
    let event = r#"{"id":9007199254740993,"big":123456789012345678901234567890}"#;
    let made = run_on("({ id, big }) => [id, big]", event);
    let body = "[9007199254740992,1.2345678901234568e+29]".to_owned();
    assert_eq!(made, Ok(Transformed::Request { body, headers: Vec::new() }));
}

#[test]
fn text_is_unicode_all_the_way() {
    assert_eq!(body_of("({ data }) => data.text"), "é 😀");
    assert_eq!(body_of("({ data }) => data.text.slice(0, 3)"), "é \u{fffd}");
    assert_eq!(body_of("({ data }) => [data.text.slice(0, 3)]"), "[\"é \\ud83d\"]");
    assert_eq!(body_of("() => 'a\\0b'"), "a\0b");
    assert_eq!(body_of("() => '\\udc00'.repeat(2)"), "\u{fffd}\u{fffd}");
}

#[test]
fn a_field_named_proto_is_a_field() {
    let made = run_on("(event) => [event.admin === undefined, event]", r#"{"__proto__":{"admin":true}}"#);
    let body = r#"[true,{"__proto__":{"admin":true}}]"#.to_owned();
    assert_eq!(made, Ok(Transformed::Request { body, headers: Vec::new() }));
}

#[test]
fn what_is_thrown_is_told_with_its_line() {
    let threw = |message: &str, line| Failed::Threw { message: message.to_owned(), line };
    for (source, failed) in [
        (
            "(event) => {\n\n  return event.missing.field\n}",
            threw("TypeError: cannot read property 'field' of undefined", Some(3)),
        ),
        ("function f(event) {\n  throw new RangeError('no')\n}", threw("RangeError: no", Some(2))),
        ("(event) => { throw 'a text' }", threw("a text", None)),
        ("(event) => { throw null }", threw("null", None)),
        ("(event) => { throw undefined }", threw("undefined", None)),
        ("(event) => { throw { toString() { throw 1 } } }", threw("something that has no text", None)),
        ("(event) => { throw Symbol('x') }", threw("something that has no text", None)),
        (
            "(event) => { throw new Proxy({}, { get() { throw 1 } }) }",
            threw("something that has no text", None),
        ),
        ("(event) => { throw { toString: () => '\\ud800' } }", threw("\u{fffd}", None)),
        ("(event) => ({\n toJSON() { throw new Error('there') } })", threw("Error: there", Some(2))),
        (
            "(event) => ({ body: 1,\n get headers() { throw new Error('there') } })",
            threw("Error: there", Some(2)),
        ),
    ] {
        assert_eq!(failure_of(source), failed, "{source}");
    }
    let Failed::Threw { message, .. } = failure_of("() => { throw 'ü'.repeat(5000) }") else { panic!() };
    assert!(message.len() <= domain::limits::ERROR_BYTES_MAX && message.ends_with('…'));
    let lying = "() => { const e = new Error(''); Object.defineProperty(e, 'message', { get() { for (;;); } }); throw e }";
    assert_eq!(failure_of(lying), Failed::TooSlow);
}

#[test]
fn headers_are_checked_before_they_are_sent() {
    let with = |headers: &str| failure_of(&format!("() => ({{ body: 1, headers: {headers} }})"));
    let problem = |headers: &str| match with(headers) {
        Failed::BadHeader { problem, .. } => problem,
        other => panic!("{headers}: {other:?}"),
    };
    for value in ["'a\\r\\nX-B: 2'", "'a\\nb'", "'a\\0b'", "'\\x7f'", "'é'", "'\\ud800'"] {
        assert_eq!(
            problem(&format!("{{ 'X-A': {value} }}")),
            "its value holds something other than printable ASCII"
        );
    }
    for name in ["''", "'X A'", "'X-A:'", "'X\\r\\nB'", "'Ü'", "'\\ud800'"] {
        assert!(problem(&format!("{{ {name}: '1' }}")).starts_with("its name is not made of"), "{name}");
    }
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Webhook-Signature",
        "x-webhook-delivery",
    ] {
        assert_eq!(problem(&format!("{{ '{name}': '1' }}")), "it is set by Waystation itself");
    }
    assert_eq!(problem("{ 'X-A': '1', 'x-a': '2' }"), "it is there twice");
    for value in ["1", "null", "['a']", "undefined"] {
        assert_eq!(problem(&format!("{{ 'X-A': {value} }}")), "its value is not a text");
    }
    for headers in ["['X-A']", "'X-A: 1'", "() => 1"] {
        assert_eq!(problem(headers), "headers are an object with a text for each name");
    }
    let many = "Object.fromEntries(Array.from({ length: 33 }, (_, i) => ['x-' + i, '1']))";
    let long = "{ 'X-A': 'a'.repeat(5000) }";
    for headers in [many, long] {
        assert_eq!(problem(headers), "there are too many, or they are too long");
    }
}

#[test]
fn a_body_has_a_largest_size() {
    let made = |bytes: usize| run_on(&format!("() => 'x'.repeat({bytes})"), EVENT);
    assert!(matches!(made(BODY_BYTES_MAX), Ok(Transformed::Request { .. })));
    assert_eq!(made(BODY_BYTES_MAX + 1), Err(Failed::TooLarge));
    assert_eq!(failure_of("() => ['x'.repeat(1 << 20)]"), Failed::TooLarge);
    assert_eq!(failure_of("() => 'é'.repeat(600000)"), Failed::TooLarge);
}

#[test]
fn nothing_tells_the_time_or_draws_a_number() {
    for source in [
        "() => new Date()",
        "() => Date()",
        "() => Date(0)",
        "() => Date.now()",
        "() => new (class extends Date {})()",
        "() => new (new Date(0)).constructor()",
        "() => Reflect.construct(Date, [])",
        "() => Math.random()",
    ] {
        let Failed::Threw { message, .. } = failure_of(source) else { panic!("{source}") };
        assert!(message.contains("is not available in a transform"), "{source}: {message}");
    }
    assert_eq!(
        body_of("() => new Date('2026-03-01T12:00:00+01:00').toISOString()"),
        "2026-03-01T11:00:00.000Z"
    );
    assert_eq!(
        body_of("() => [Date.UTC(2026, 0), Date.parse('2026-01-01T00:00:00Z')]"),
        "[1767225600000,1767225600000]"
    );
    assert_eq!(
        body_of("() => [new Date(0) instanceof Date, new Date(2026, 0, 1, 0).getFullYear(), Date.name]"),
        "[true,2026,\"Date\"]"
    );
    assert_eq!(body_of("() => new (class extends Date { x() { return 1 } })(0).x()"), "1");
}

#[test]
fn nothing_leads_outside() {
    let names = "console require process module exports fetch XMLHttpRequest setTimeout setInterval queueMicrotask performance \
                 eval Function Atomics SharedArrayBuffer WeakRef FinalizationRegistry std os bjson Deno Bun window self global \
                 print gc navigator Worker WebAssembly Intl Temporal";
    for name in names.split_whitespace() {
        assert_eq!(body_of(&format!("() => typeof {name}")), "undefined", "{name}");
    }
    let known = body_of("() => Object.getOwnPropertyNames(globalThis).sort()");
    let known: Vec<String> = serde_json::from_str(&known).unwrap();
    let language = "AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean DataView Date DisposableStack Error EvalError \
                    Float16Array Float32Array Float64Array Infinity Int16Array Int32Array Int8Array InternalError Iterator JSON \
                    Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String \
                    SuppressedError Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array \
                    Uint8ClampedArray WeakMap WeakSet decodeURI decodeURIComponent encodeURI encodeURIComponent escape \
                    globalThis isFinite isNaN parseFloat parseInt undefined unescape";
    let unknown: Vec<_> =
        known.iter().filter(|name| !language.split_whitespace().any(|n| n == *name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn no_text_becomes_code() {
    for source in [
        "() => eval('1')",
        "() => (0, eval)('1')",
        "() => (() => 1).constructor('return 1')()",
        "() => (function* () {}).constructor('yield 1')().next()",
        "() => Object.getPrototypeOf(async () => 1).constructor('return 1')()",
        "() => Reflect.construct((async function* () {}).constructor, ['yield 1'])()",
        "() => Date.constructor('return 1')()",
    ] {
        assert!(matches!(failure_of(source), Failed::Threw { .. }), "{source}");
    }
    // A module is looked for only when the promise is run, and nothing runs it.
    assert!(matches!(failure_of("() => import('fs')"), Failed::NotRepresentable(_)));
}

#[test]
fn nothing_is_left_for_the_next_run() {
    let first = "(event) => { Object.prototype.x = 1; Array.prototype.map = null; JSON.stringify = () => 'mine'; \
                 globalThis.y = 2; String.prototype.toWellFormed = () => 'mine'; Reflect.apply = () => 'mine'; return 'done' }";
    let second = "() => [typeof {}.x, typeof [].map, typeof y]";
    for _ in 0..2 {
        assert_eq!(body_of(first), "done");
        assert_eq!(body_of(second), "[\"undefined\",\"function\",\"undefined\"]");
    }
    assert_eq!(body_of("let count = 0; () => ++count"), "1");
    assert_eq!(body_of("let count = 0; () => ++count"), "1");
}

#[test]
fn what_the_language_counts_is_limited() {
    for source in [
        "() => { for (;;); }",
        "() => { for (;;) try { for (;;); } finally { continue } }",
        "() => ({ get a() { for (;;); } })",
        "() => ({ toJSON() { for (;;); } })",
        "() => new Proxy({}, { ownKeys() { for (;;); } })",
        "() => new Proxy({}, { get() { for (;;); } })",
        "() => { throw { toString() { for (;;); } } }",
        "() => ({ body: 1, headers: new Proxy({ a: 1 }, { get() { for (;;); } }) })",
        "() => /^(a+)+$/.test('a'.repeat(40) + 'b')",
        "() => /(x+x+)+y/.exec('x'.repeat(50))",
        "() => 'a'.repeat(30000).replace(/(a*)*b/g, '')",
        "() => [3, 2, 1].sort(() => { for (;;); })",
        "() => Array.from({ length: 1e9 }, (_, i) => i % 2).length",
        "() => new Array(2 ** 32 - 1).indexOf(1)",
        "() => { const again = () => Promise.resolve().then(again); for (;;) again() }",
    ] {
        let failed = failure_of(source);
        assert!(matches!(failed, Failed::TooSlow | Failed::TooMuchMemory), "{source}: {failed:?}");
    }
    for source in [
        "() => new ArrayBuffer(2 ** 30)",
        "() => 'x'.repeat(2 ** 28)",
        "() => 'x'.padEnd(2 ** 29)",
        "() => { let s = 'x'.repeat(1000); for (;;) { s += s; s.charCodeAt(0); [s].join() } }",
        "() => { const kept = []; for (;;) kept.push(new Uint8Array(1 << 20)) }",
        "() => { const kept = []; for (;;) try { for (;;) kept.push('x'.repeat(1 << 20) + kept.length) } finally { throw new Uint8Array(1 << 24) } }",
        "() => { for (let big = 1n;; big <<= 100000n) globalThis[big % 7n] = big }",
    ] {
        let failed = failure_of(source);
        let is_limited = matches!(failed, Failed::TooMuchMemory | Failed::TooSlow)
            || matches!(&failed, Failed::Threw { message, .. } if message.contains("too l") || message.contains("maximum"));
        assert!(is_limited, "{source}: {failed:?}");
    }
    for source in [
        "function f() { return f() }",
        "() => { let a = []; for (let i = 0; i < 20000; i++) a = [a]; return a }",
        "() => JSON.parse('['.repeat(100000))",
        "() => new RegExp('('.repeat(50000) + ')'.repeat(50000))",
        "() => { const p = new Proxy({}, {}); Object.setPrototypeOf(p, p); return p.x }",
        "() => { let f = () => 1; for (let i = 0; i < 50000; i++) f = f.bind(); return f() }",
    ] {
        let failed = failure_of(source);
        let is_overflow =
            matches!(&failed, Failed::Threw { .. } | Failed::NotRepresentable(_) | Failed::TooMuchMemory);
        assert!(is_overflow, "{source}: {failed:?}");
    }
    assert!(compile(&"[".repeat(60_000)).is_err());
    assert!(compile(&format!("() => {}1{}", "(".repeat(30_000), ")".repeat(30_000))).is_err());
    assert!(compile(&format!("() => {}1", "!".repeat(60_000))).is_err());
}

#[test]
fn an_event_has_to_be_json_and_to_fit() {
    assert!(matches!(run("e => e", "{"), Err(Failed::NotAnEvent(_))));
    assert_eq!(run("e => e", &format!("[{}0]", "0,".repeat(2_000_000))), Err(Failed::TooMuchMemory));
    let deep = "[".repeat(128) + &"]".repeat(128);
    assert_eq!(run("e => e", &deep), Ok(Transformed::Request { body: deep, headers: Vec::new() }));
}

#[test]
fn one_event_makes_one_request() {
    let source = "(event) => ({ keys: Object.keys(event), sorted: [3, 1, 2].sort(), set: [...new Set(['b', 'a'])], e: Math.exp(1) })";
    let first = body_of(source);
    for _ in 0..20 {
        assert_eq!(body_of(source), first);
    }
}
