//! What each operator says of each kind of value, what is refused, and the laws that hold for any filter and any
//! event.

#![expect(clippy::needless_pass_by_value, reason = "what `json!` makes is easier to read where it is used")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::tests::event;
use crate::limits::{FILTER_BYTES_MAX, FILTER_CONDITIONS_MAX, FILTER_DEPTH_MAX, FILTER_REGEXES_MAX};

fn filter(source: Value) -> Filter {
    Filter::parse(&source).unwrap_or_else(|error| panic!("{source}: {error}"))
}

/// Whether `condition` is true of `value`, as it lies in an event's data.
fn is_true(condition: Value, value: Value) -> bool {
    filter(json!({"data.v": condition})).matches(&json!({"data": {"v": value}}))
}

/// Whether `condition` is true where there is no value.
fn is_true_of_nothing(condition: Value) -> bool {
    filter(json!({"data.v": condition})).matches(&json!({"data": {}}))
}

fn refusal(source: Value) -> String {
    Filter::parse(&source).expect_err("this is no filter").to_string()
}

#[test]
fn a_filter_looks_at_a_whole_event() {
    let event = event(
        "github.issues.opened",
        r#"{"issue": {"comments": 4, "title": "It crashes", "labels": [{"id": 1, "name": "bug"}, {"id": 2, "name": "ui"}]}}"#,
    );
    let document = event.document();
    let matches = |source: Value| filter(source).matches(&document);
    assert!(matches(json!({})));
    assert!(matches(json!({"type": "github.issues.opened", "user_id": "alice", "source": "github"})));
    assert!(matches(json!({"data": {"issue": {"title": "It crashes", "labels.0.id": 1}}})));
    assert!(matches(json!({"data.issue.labels": {"$contains": {"name": {"$in": ["bug", "crash"]}}}})));
    assert!(
        !matches(json!({"data.issue.labels": {"$contains": {"name": "bug", "id": 2}}})),
        "one item, all of it"
    );
    assert!(matches(
        json!({"$or": [{"type": {"$startsWith": "slack."}}, {"data.issue.comments": {"$gte": 4, "$lt": 5}}]})
    ));
    assert!(!matches(json!({"data.issue.comments": 4, "user_id": "bob"})), "all entries count");
    assert!(matches(json!({"$not": {"user_id": "bob"}, "received_at": {"$gte": "2023-11-14"}})));
}

#[test]
fn types_compare_strictly_and_numbers_by_what_they_mean() {
    assert!(is_true(json!(1), json!(1.0)));
    assert!(is_true(json!({"$eq": [1, {"a": 2}]}), json!([1.0, {"a": 2.0}])));
    assert!(!is_true(json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64)));
    for (one, other) in [
        (json!("1"), json!(1)),
        (json!(1), json!([1])),
        (json!(0), json!(false)),
        (json!(null), json!(false)),
        (json!([1, 2]), json!([2, 1])),
        (json!(["a"]), json!(["a", "b"])),
    ] {
        assert!(!is_true(json!({"$eq": one}), other.clone()), "{one} {other}");
        assert!(is_true(json!({"$ne": one}), other.clone()), "{one} {other}");
        assert!(!is_true(json!({"$in": [one]}), other.clone()), "{one} {other}");
    }
    assert!(!is_true(json!({"$eq": {"a": 1}}), json!({"a": 1, "b": 2})), "an operand is the whole value");
    assert!(is_true(json!({"a": 1}), json!({"a": 1, "b": 2})), "an object of plain keys goes deeper");
}

#[test]
fn numbers_and_texts_are_ordered_each_among_themselves() {
    assert!(is_true(json!({"$gt": 2}), json!(2.5)));
    assert!(is_true(json!({"$lte": 10}), json!(10.0)));
    assert!(is_true(json!({"$gt": 9_007_199_254_740_992_i64}), json!(9_007_199_254_740_993_i64)));
    assert!(is_true(json!({"$lt": u64::MAX}), json!(-1)));
    assert!(is_true(json!({"$gt": u64::MAX}), json!(1e300)));
    assert!(is_true(json!({"$gte": "2026-01-01"}), json!("2026-01-01T00:00:00.000Z")));
    assert!(is_true(json!({"$lt": "b"}), json!("abc")));
    for operator in ["$gt", "$gte", "$lt", "$lte"] {
        for (bound, value) in
            [(json!(2), json!("3")), (json!("2"), json!(3)), (json!(2), json!([3])), (json!(0), json!(null))]
        {
            assert!(!is_true(json!({operator: bound}), value.clone()), "{value} {operator} {bound}");
        }
    }
}

#[test]
fn texts_are_looked_into() {
    assert!(is_true(json!({"$startsWith": "Re: "}), json!("Re: hello")));
    assert!(is_true(json!({"$endsWith": "@example.com"}), json!("a@example.com")));
    assert!(is_true(json!({"$contains": "ell"}), json!("hello")));
    assert!(!is_true(json!({"$contains": "ELL"}), json!("hello")));
    assert!(is_true(json!({"$regex": "^[A-Z]{2,5}-\\d+$"}), json!("OPS-17")));
    assert!(is_true(json!({"$regex": "(?i)urgent|asap"}), json!("Very URGENT")), "found anywhere");
    for operator in ["$startsWith", "$endsWith", "$contains", "$regex"] {
        for value in [json!(1), json!(null), json!({"1": 1}), json!(["x1"])] {
            assert!(!is_true(json!({operator: "1"}), value.clone()), "{operator} {value}");
        }
    }
}

#[test]
fn an_array_contains_what_an_item_is_or_meets() {
    assert!(is_true(json!({"$contains": "b"}), json!(["a", "b"])));
    assert!(!is_true(json!({"$contains": "b"}), json!(["abc"])), "an item is not looked into");
    assert!(is_true(json!({"$contains": {"$contains": "b"}}), json!(["abc"])));
    assert!(is_true(json!({"$contains": 2}), json!([1, 2.0])));
    assert!(is_true(json!({"$contains": {"$gt": 5}}), json!([1, 9])));
    assert!(is_true(json!({"$contains": null}), json!([null])));
    assert!(is_true(json!({"$contains": [1]}), json!([[1]])));
    assert!(!is_true(json!({"$contains": {"$ne": 1}}), json!([1, 1])));
    assert!(!is_true(json!({"$contains": {"$exists": true}}), json!([])));
    assert!(!is_true(json!({"$contains": "a"}), json!({"a": 1})));
}

#[test]
fn where_nothing_lies_only_what_denies_is_true() {
    for denial in [
        json!({"$exists": false}),
        json!({"$ne": 1}),
        json!({"$nin": [1]}),
        json!({"$not": 1}),
        json!({"$not": {"a": 1}}),
    ] {
        assert!(is_true_of_nothing(denial.clone()), "{denial}");
    }
    for claim in [
        json!(null),
        json!({"$exists": true}),
        json!({"$eq": null}),
        json!({"$in": [null]}),
        json!({"$lt": 1}),
        json!({"$gte": ""}),
        json!({"$startsWith": ""}),
        json!({"$contains": ""}),
        json!({"$regex": ""}),
        json!({"$not": {"$exists": false}}),
        json!({"deeper": null}),
    ] {
        assert!(!is_true_of_nothing(claim.clone()), "{claim}");
    }
    assert!(is_true(json!({"$exists": true}), json!(null)), "null is there");
}

#[test]
fn conditions_combine_at_any_level() {
    assert!(is_true(json!({"$or": [1, {"$gt": 5}]}), json!(6)));
    assert!(!is_true(json!({"$and": [{"$gt": 1}, {"$lt": 5}]}), json!(6)));
    assert!(is_true(json!({"$exists": true, "a": 1, "$not": {"b": 1}}), json!({"a": 1})));
    assert!(is_true(json!({"$not": {"$not": 6}}), json!(6)));
}

#[test]
fn a_name_that_looks_like_an_operator_can_be_reached() {
    assert!(is_true(json!({r"\$ref": "#/x"}), json!({"$ref": "#/x"})));
    assert!(is_true(json!({r"a\.b": 1}), json!({"a.b": 1})));
}

#[test]
fn a_refusal_names_the_place_and_what_to_write() {
    for (source, place, advice) in [
        (json!([]), "write an object", "\"data.amount\""),
        (json!({"amount": 5}), "amount: ", "as in data.amount"),
        (json!({"$gt": 5}), "$gt: ", "name what is compared"),
        (json!({"data.amount": {"$neq": 5}}), "data.amount.$neq: ", "$ne,"),
        (
            json!({"$or": [{"type": "a"}, {"data": {"x": {"$in": 5}}}]}),
            "$or[1].data.x.$in: ",
            "a list of values",
        ),
        (json!({"$and": []}), "$and: ", "at least one condition"),
        (json!({"$or": [{}]}), "$or[0]: ", "write an object"),
        (json!({"data.x": {}}), "data.x: ", "\"$eq\": {}"),
        (json!({"data..x": 1}), "data..x: ", "name each part"),
        (json!({"data.x": {"$gt": null}}), "data.x.$gt: ", "a number or a text"),
        (json!({"data.x": {"$exists": 1}}), "data.x.$exists: ", "true or false"),
        (json!({"data.x": {"$startsWith": 1}}), "data.x.$startsWith: ", "a text"),
        (json!({"data.x": {"$regex": "(?=x)"}}), "data.x.$regex: ", "look-around"),
        (json!({"data.x": {"$regex": "("}}), "data.x.$regex: ", "unclosed group"),
    ] {
        let refusal = refusal(source);
        assert!(refusal.starts_with(place) && refusal.contains(advice), "{refusal}");
    }
    let error = Filter::parse(&json!({"$or": [{"type": "a"}, {"data.x": {"$in": 5}}]})).unwrap_err();
    assert_eq!(error.path(), "$or[1].data.x.$in");
}

#[test]
fn each_limit_is_said() {
    let nested = |depth| (1..depth).fold(json!({"$eq": 1}), |inner, _| json!({"$not": inner}));
    assert!(Filter::parse(&json!({"data.x": nested(FILTER_DEPTH_MAX - 1)})).is_ok());
    assert!(refusal(json!({"data.x": nested(FILTER_DEPTH_MAX)})).contains("deep"));

    assert!(Filter::parse(&json!({"data.x": {"$in": vec![1; FILTER_CONDITIONS_MAX - 2]}})).is_ok());
    assert!(refusal(json!({"data.x": {"$in": vec![1; FILTER_CONDITIONS_MAX - 1]}})).contains("conditions"));
    assert!(refusal(json!({"data.x": "x".repeat(FILTER_BYTES_MAX)})).contains("bytes"));

    let regexes = |count| json!({"$or": vec![json!({"data.x": {"$regex": "x"}}); count]});
    assert!(Filter::parse(&regexes(FILTER_REGEXES_MAX)).is_ok());
    assert!(refusal(regexes(FILTER_REGEXES_MAX + 1)).contains("regexes"));
    for large in ["x".repeat(257).as_str(), r"(\d{16}){17}", r"[ab]{257,}", r"\w{40}"] {
        assert!(refusal(json!({"data.x": {"$regex": large}})).contains("keep the regex within"), "{large}");
    }
    for usual in [
        r"^[\w.+-]+@[\w-]+\.[\w.-]+$",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"^(feat|fix)(\(.+\))?: .{1,72}$",
    ] {
        assert!(Filter::parse(&json!({"data.x": {"$regex": usual}})).is_ok(), "{usual}");
    }
}

#[test]
fn who_has_too_few_steps_is_told_nothing_and_has_none_left() {
    let hundred = filter(json!({"data.v": {"$contains": {"$gt": 100}}}));
    let document = json!({"data": {"v": (0..100).collect::<Vec<_>>()}});
    let mut steps = 1_000;
    assert_eq!(hundred.decide(&document, &mut steps), Some(false));
    assert!((800..900).contains(&steps), "{steps} are left");
    let mut few = 1_000 - steps;
    assert_eq!(hundred.decide(&document, &mut few), Some(false));
    assert_eq!(few, 0);
    for count in 0..1_000 - steps {
        let mut too_few = count;
        assert_eq!((hundred.decide(&document, &mut too_few), too_few), (None, 0));
    }
}

#[test]
fn an_event_that_takes_too_many_steps_is_not_wanted_not_even_below_a_not() {
    let hard = json!({"$regex": "[01]*1[01]{253}[b-y]"});
    let long = "01".repeat(40_000);
    let denied = json!({"$not": hard});
    assert!(!is_true(hard, json!(long)));
    assert!(!is_true(denied.clone(), json!(long)));
    assert!(is_true(denied, json!(long[..20_000])), "a shorter text is told");
    assert!(is_true(
        json!({"$regex": "(?i)unsubscribe$"}),
        json!(format!("{} Unsubscribe", "x".repeat(500_000)))
    ));

    let many = json!(vec![0; 1_000_000]);
    assert!(!is_true(json!({"$not": {"$contains": {"$in": [1, 2, 3]}}}), many));
    assert!(is_true(json!({"$not": {"$contains": {"$in": [1, 2, 3]}}}), json!(vec![0; 100_000])));
}

/// Values from a small stock, so that they often meet.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..3_i64).prop_map(Value::from),
        (-4..5_i32).prop_map(|halves| Value::from(f64::from(halves) / 2.0)),
        prop_oneof![Just(""), Just("a"), Just("ab"), Just("b")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Conditions on a value, all of them well formed.
fn any_condition() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![(-2..3_i64).prop_map(Value::from), "[ab]{0,2}".prop_map(Value::from)];
    let leaf = prop_oneof![
        any_value().prop_filter("an object is no plain value", |value| !value.is_object()),
        any_value().prop_map(|value| json!({"$eq": value})),
        any_value().prop_map(|value| json!({"$ne": value})),
        proptest::collection::vec(any_value(), 0..4).prop_map(|values| json!({"$in": values})),
        proptest::collection::vec(any_value(), 0..4).prop_map(|values| json!({"$nin": values})),
        (prop_oneof![Just("$gt"), Just("$gte"), Just("$lt"), Just("$lte")], scalar)
            .prop_map(|(operator, bound)| json!({operator: bound})),
        (prop_oneof![Just("$startsWith"), Just("$endsWith"), Just("$contains"), Just("$regex")], "[ab]{0,2}")
            .prop_map(|(operator, text)| json!({operator: text})),
        any::<bool>().prop_map(|there| json!({"$exists": there})),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|condition| json!({"$not": condition})),
            inner.clone().prop_map(|condition| json!({"$contains": condition})),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|conditions| json!({"$and": conditions})),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|conditions| json!({"$or": conditions})),
            proptest::collection::btree_map("a|b|a\\.b|0", inner, 1..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn any_filter() -> impl Strategy<Value = Value> {
    any_condition().prop_map(|condition| json!({"data": condition}))
}

fn any_event() -> impl Strategy<Value = Value> {
    proptest::option::of(any_value()).prop_map(|data| data.map_or(json!({}), |data| json!({"data": data})))
}

/// JSON that looks like a filter and mostly is none.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        proptest::sample::select(
            &["$eq", "$in", "$gt", "$regex", "$and", "$or", "$not", "$contains", "$exists"][..]
        )
        .prop_map(str::to_owned),
        Just("data.x".to_owned()),
        Just("type".to_owned()),
        ".{0,4}",
    ];
    let leaf = prop_oneof![any_value(), ".{0,8}".prop_map(Value::from), any::<f64>().prop_map(Value::from)];
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_a_filter_or_refused_and_a_filter_reads_as_it_is_written(source in any_json(), event in any_event()) {
        match Filter::parse(&source) {
            Ok(filter) => {
                let _ = filter.matches(&event);
                prop_assert_eq!(serde_json::to_value(&filter).unwrap(), source);
            }
            Err(error) => prop_assert!(!error.fault.to_string().is_empty()),
        }
    }

    #[test]
    fn a_filter_survives_being_stored(source in any_filter(), event in any_event()) {
        let before = filter(source);
        let after: Filter = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
        prop_assert_eq!(after.matches(&event), before.matches(&event));
        prop_assert_eq!(after, before);
    }

    #[test]
    fn not_negates(source in any_filter(), event in any_event()) {
        let denied = filter(json!({"$not": source})).matches(&event);
        prop_assert_eq!(denied, !filter(source).matches(&event));
    }

    #[test]
    fn and_is_all_and_or_is_any(sources in proptest::collection::vec(any_filter(), 1..4), event in any_event()) {
        let each: Vec<_> = sources.iter().map(|source| filter(source.clone()).matches(&event)).collect();
        let all = filter(json!({"$and": sources})).matches(&event);
        let any = filter(json!({"$or": sources})).matches(&event);
        prop_assert_eq!(all, each.iter().all(|&held| held));
        prop_assert_eq!(any, each.iter().any(|&held| held));
        let none_denied = filter(json!({"$not": {"$or": sources.iter().map(|source| json!({"$not": source})).collect::<Vec<_>>()}}));
        prop_assert_eq!(none_denied.matches(&event), all);
    }

    #[test]
    fn lists_are_equalities(values in proptest::collection::vec(any_value(), 1..4), event in any_event()) {
        let matches = |condition: Value| filter(json!({"data": condition})).matches(&event);
        let equalities: Vec<_> = values.iter().map(|value| json!({"$eq": value})).collect();
        prop_assert_eq!(matches(json!({"$in": values})), matches(json!({"$or": equalities})));
        prop_assert_eq!(matches(json!({"$nin": values})), !matches(json!({"$in": values})));
        prop_assert_eq!(matches(json!({"$ne": values[0]})), !matches(json!({"$eq": values[0]})));
    }

    #[test]
    fn nested_and_dotted_are_the_same(condition in any_condition(), event in any_event()) {
        let nested = filter(json!({"data": {"a": {"b": condition}}})).matches(&event);
        prop_assert_eq!(nested, filter(json!({"data.a.b": condition})).matches(&event));
    }

    #[test]
    fn numbers_are_below_equal_or_above(one in any::<i64>(), other in prop_oneof![
        any::<f64>().prop_map(Value::from), any::<i64>().prop_map(Value::from), any::<u64>().prop_map(Value::from),
    ]) {
        prop_assume!(other.is_number());
        for value in [json!(one), json!(one as f64), other.clone()] {
            let said = ["$lt", "$eq", "$gt"].map(|operator| is_true(json!({operator: other}), value.clone()));
            prop_assert_eq!(said.iter().filter(|&&said| said).count(), 1, "{} {} {:?}", value, other, said);
            prop_assert_eq!(is_true(json!({"$lte": other}), value.clone()), said[0] || said[1]);
            prop_assert_eq!(is_true(json!({"$gte": other}), value), said[1] || said[2]);
        }
    }
}
