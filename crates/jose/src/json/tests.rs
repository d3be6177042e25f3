use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
enum Shape {
    Circle { radius: u64 },
    Tagged(BTreeMap<String, u64>),
    Pair(Vec<u64>, u64),
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)] // read by its `Deserialize` alone
struct Narrow {
    wanted: Option<u64>,
}

#[test]
fn duplicates_are_refused_at_any_depth_and_in_any_spelling() {
    let cases = [
        ("two_names", r#"{"a":1,"b":2}"#, None),
        ("same_name_in_sibling_objects", r#"[{"a":1},{"a":2}]"#, None),
        ("same_name_in_parent_and_child", r#"{"a":{"a":1}}"#, None),
        ("name_repeated_as_value", r#"{"a":"b","b":"a"}"#, None),
        ("quote_and_braces_in_a_string", r#"{"a":"\"},{\"a\":","b":1}"#, None),
        ("escaped_slash_in_a_name", r#"{"https:\/\/x":1,"b":2}"#, None),
        ("top_level", r#"{"a":1,"a":2}"#, Some(JsonError::DuplicateMember)),
        ("after_a_nested_object", r#"{"a":{"x":1},"a":2}"#, Some(JsonError::DuplicateMember)),
        ("nested", r#"{"a":[{"b":1,"b":2}]}"#, Some(JsonError::DuplicateMember)),
        ("escaped_spelling", r#"{"a":1,"\u0061":2}"#, Some(JsonError::DuplicateMember)),
        ("empty_name", r#"{"":1,"":2}"#, Some(JsonError::DuplicateMember)),
        ("unfinished", r#"{"a":1"#, Some(JsonError::Malformed)),
        ("two_texts", "{}{}", Some(JsonError::Malformed)),
        ("byte_order_mark", "\u{feff}{}", Some(JsonError::Malformed)),
        ("lone_backslash_at_the_end", "{\"a\\", Some(JsonError::Malformed)),
        ("lone_surrogate", r#"{"a":"\ud800"}"#, Some(JsonError::Malformed)),
    ];
    for (name, json, want) in cases {
        assert_eq!(parse::<Value>(json.as_bytes()).err(), want, "{name}");
        // What the type ignores is looked at no less.
        assert_eq!(
            parse::<Vec<Narrow>>(format!("[{{\"x\":{json}}}]").as_bytes()).err(),
            want,
            "{name}, ignored"
        );
    }
    assert_eq!(parse::<Value>(b"\"\xff\"").err(), Some(JsonError::NotUtf8));
}

#[test]
fn many_members_are_compared_like_few() {
    for count in [15, 16, 17, 40, 127] {
        let mut members: Vec<_> = (0..count).map(|i| format!("\"m{i}\":{i}")).collect();
        assert!(parse::<Value>(format!("{{{}}}", members.join(",")).as_bytes()).is_ok());
        for twice in [0, count / 2, count - 1] {
            members.push(format!("\"m{twice}\":0"));
            let json = format!("{{{}}}", members.join(","));
            assert_eq!(parse::<Value>(json.as_bytes()).err(), Some(JsonError::DuplicateMember), "{json}");
            members.pop();
        }
    }
}

#[test]
fn enums_are_no_way_around_the_checks() {
    let circle = br#"{"Circle":{"radius":1}}"#;
    assert_eq!(parse::<Shape>(circle), Ok(Shape::Circle { radius: 1 }));
    for json in [
        r#"{"Circle":{"radius":1,"x":{"a":1,"a":2}}}"#,
        r#"{"Tagged":{"a":1,"a":2}}"#,
        r#"{"Circle":{"radius":1,"radius":2}}"#,
    ] {
        assert_eq!(parse::<Shape>(json.as_bytes()), Err(JsonError::DuplicateMember), "{json}");
    }
    let flat = Limits { depth: 1, ..Limits::DEFAULT };
    assert_eq!(parse_within::<Shape>(circle, &flat), Err(JsonError::TooDeep));
    for (json, depth) in
        [(r#"{"Circle":{"radius":1}}"#, 2), (r#"{"Tagged":{"a":1}}"#, 2), (r#"{"Pair":[[1],2]}"#, 3)]
    {
        let read = |depth| parse_within::<Shape>(json.as_bytes(), &Limits { depth, ..Limits::DEFAULT });
        assert!(read(depth).is_ok(), "{json}");
        assert_eq!(read(depth - 1), Err(JsonError::TooDeep), "{json}");
    }
    assert_eq!(parse_within::<Vec<Side>>(br#"["Left"]"#, &flat), Ok(vec![Side::Left]), "a string is flat");
    assert_eq!(parse::<Side>(br#"{"Left":null}"#), Ok(Side::Left), "nothing is what it holds");
    assert_eq!(parse::<Side>(br#"{"Left":1}"#), Err(JsonError::Malformed));
}

#[test]
fn depth_and_members_are_bounded_on_both_sides_of_the_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let object = |members: usize| {
        let members: Vec<_> = (0..members).map(|i| format!("\"m{i}\":{i}")).collect();
        format!("{{{}}}", members.join(","))
    };
    for limits in [Limits::DEFAULT, Limits { depth: 3, members: 5, ..Limits::DEFAULT }] {
        let refused = |json: String| parse_within::<Value>(json.as_bytes(), &limits).err();
        assert_eq!(refused(nested(limits.depth)), None);
        assert_eq!(refused(nested(limits.depth + 1)), Some(JsonError::TooDeep));
        assert_eq!(refused(object(limits.members)), None);
        assert_eq!(refused(object(limits.members + 1)), Some(JsonError::TooManyMembers));
    }
    let boundless = Limits { depth: usize::MAX, ..Limits::DEFAULT };
    assert_eq!(parse_within::<Value>(nested(101).as_bytes(), &boundless).err(), Some(JsonError::TooDeep));
}

#[test]
fn a_struct_is_never_filled_from_an_array() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)] // read by its `Deserialize` alone
    struct Outer {
        inner: Narrow,
    }
    assert!(parse::<Outer>(br#"{"inner":{"wanted":1}}"#).is_ok());
    assert_eq!(parse::<Outer>(br#"{"inner":[1]}"#).err(), Some(JsonError::Malformed));
    assert_eq!(parse::<Outer>(b"[{}]").err(), Some(JsonError::Malformed));
    assert_eq!(parse::<Shape>(br#"{"Circle":[1]}"#).err(), Some(JsonError::Malformed));
    assert_eq!(parse::<(u64, u64)>(b"[1,2]"), Ok((1, 2)));
}

#[test]
fn an_error_that_the_type_swallows_is_told_all_the_same() {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
        Ok(Value::deserialize(deserializer).ok())
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)] // read by its `Deserialize` alone
    struct Lenient {
        #[serde(deserialize_with = "lenient")]
        x: Option<Value>,
    }
    assert_eq!(parse::<Lenient>(br#"{"x":{"a":1,"a":2}}"#).err(), Some(JsonError::DuplicateMember));
}

#[test]
fn names_may_be_numbers_variants_and_newtypes() {
    #[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Named(String);

    assert_eq!(parse::<BTreeMap<u64, u8>>(br#"{"1":2}"#), Ok(BTreeMap::from([(1, 2)])));
    assert_eq!(parse::<BTreeMap<i8, u8>>(br#"{"-1":2}"#), Ok(BTreeMap::from([(-1, 2)])));
    assert_eq!(parse::<BTreeMap<bool, u8>>(br#"{"true":2}"#), Ok(BTreeMap::from([(true, 2)])));
    assert_eq!(parse::<BTreeMap<Side, u8>>(br#"{"Left":2}"#), Ok(BTreeMap::from([(Side::Left, 2)])));
    assert_eq!(parse::<BTreeMap<Named, u8>>(br#"{"n":2}"#), Ok(BTreeMap::from([(Named("n".into()), 2)])));
    assert_eq!(
        parse::<BTreeMap<Option<String>, u8>>(br#"{"n":2}"#),
        Ok(BTreeMap::from([(Some("n".into()), 2)]))
    );
    let twice = Err(JsonError::DuplicateMember);
    assert_eq!(parse::<BTreeMap<u64, u8>>(br#"{"1":2,"1":3}"#), twice.map(|()| BTreeMap::new()));
    assert_eq!(parse::<BTreeMap<Side, u8>>(br#"{"Left":2,"Left":3}"#), twice.map(|()| BTreeMap::new()));
}

#[test]
fn a_newtype_is_read_and_a_raw_value_is_not() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Number(u64);

    /// Asks as `serde_json`'s raw value does, for a text that no check has seen.
    #[derive(Debug)]
    struct Raw;
    impl<'de> Deserialize<'de> for Raw {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Anything;
            impl<'de> serde::de::Visitor<'de> for Anything {
                type Value = Raw;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("anything")
                }
                fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Raw, D::Error> {
                    serde::de::IgnoredAny::deserialize(inner).map(|_| Raw)
                }
            }
            deserializer.deserialize_newtype_struct("$serde_json::private::RawValue", Anything)
        }
    }

    assert_eq!(parse::<Vec<Number>>(b"[1]"), Ok(vec![Number(1)]));
    assert_eq!(parse::<Raw>(b"{}").err(), Some(JsonError::Malformed));
}

#[test]
fn lone_surrogates_reach_no_type() {
    struct Bytes;
    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Any;
            impl serde::de::Visitor<'_> for Any {
                type Value = Bytes;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("bytes")
                }
                fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Bytes, E> {
                    Ok(Bytes)
                }
                fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Bytes, E> {
                    Ok(Bytes)
                }
            }
            deserializer.deserialize_byte_buf(Any)
        }
    }
    assert!(parse::<Bytes>(br#""a""#).is_ok());
    assert!(parse::<Bytes>(br#""\ud800""#).is_err());
}

#[test]
fn an_array_is_no_object() {
    for json in ["[]", "[1]", " [\n1]", "1", "\"{\"", "null", ""] {
        assert_eq!(
            parse_object::<Narrow>(json.as_bytes(), &Limits::DEFAULT).err(),
            Some(JsonError::Malformed),
            "{json}"
        );
    }
    assert!(parse_object::<Narrow>(b" \n{}", &Limits::DEFAULT).is_ok());
}

#[test]
fn what_does_not_fit_is_told_without_its_value() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)] // read by its `Deserialize` alone
    struct Typed {
        age: u8,
        name: String,
    }
    let cases = [
        (r#"{"age":"mallory@example.com","name":"n"}"#, "invalid type, expected u8"),
        (r#"{"age":300,"name":"n"}"#, "invalid value, expected u8"),
        (r#"{"age":1,"name":{"of":"mallory"}}"#, "invalid type, expected a string"),
        (r#"{"age":1}"#, "missing field `name`"),
    ];
    for (json, want) in cases {
        let unread = read_object::<Typed>(json.as_bytes(), &Limits::DEFAULT).unwrap_err();
        assert_eq!(unread, Unread::Type(want.to_owned()), "{json}");
    }
    for json in [r#"{"age":1,"name":"n""#, r#"{"age":1,,"name":"n"}"#, r#"{"age":1,"name":"n"}}"#] {
        let unread = read_object::<Typed>(json.as_bytes(), &Limits::DEFAULT).unwrap_err();
        assert_eq!(unread, Unread::Json(JsonError::Malformed), "{json}: no JSON, whatever is in it");
    }
}

#[test]
fn words_of_a_type_are_not_repeated() {
    /// Complains in these words about any string.
    fn complain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        Err(serde::de::Error::custom(String::deserialize(deserializer)?))
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)] // read by its `Deserialize` alone
    struct Complaining {
        #[serde(deserialize_with = "complain")]
        x: (),
    }
    /// Complains once everything is read, when no line of the text is at fault.
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "BTreeMap<String, String>")]
    struct Late;
    impl TryFrom<BTreeMap<String, String>> for Late {
        type Error = String;

        fn try_from(members: BTreeMap<String, String>) -> Result<Self, String> {
            Err(members.into_values().collect())
        }
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)] // read by its `Deserialize` alone
    struct TwoNames {
        #[serde(alias = "b")]
        a: u8,
    }
    let said = |json: &str| format!(r#"{{"x":"{json}"}}"#);
    for words in ["mallory", "no: mallory", "invalid type: mallory", "age, expected mallory at line 1"] {
        let json = said(words);
        let unread = read_object::<Complaining>(json.as_bytes(), &Limits::DEFAULT).unwrap_err();
        assert_eq!(unread, Unread::Type(UNEXPECTED.to_owned()), "{words}");
    }
    let json = said("invalid type: mallory, expected mallory at line 1");
    let unread = read_object::<Late>(json.as_bytes(), &Limits::DEFAULT).unwrap_err();
    assert_eq!(unread, Unread::Type(UNEXPECTED.to_owned()));
    let unread = read_object::<TwoNames>(br#"{"a":1,"b":2}"#, &Limits::DEFAULT).unwrap_err();
    assert_eq!(unread, Unread::Type("duplicate field `a`".to_owned()));
}

#[test]
fn what_is_accepted_means_the_same_as_without_the_checks() {
    for json in
        [r#"{"a":[1,-2,3.5e2,true,null,"\u00e9\n"],"b":{"c":{}}}"#, "[]", "\"x\"", "18446744073709551615"]
    {
        assert_eq!(parse::<Value>(json.as_bytes()).unwrap(), serde_json::from_str::<Value>(json).unwrap());
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_answered_without_panic(bytes: Vec<u8>) {
        let _ = parse::<Value>(&bytes);
        let _ = parse_object::<Narrow>(&bytes, &Limits::DEFAULT);
    }

    #[test]
    fn json_shaped_texts_are_read_as_serde_json_reads_them_or_refused(text in r#"[\[\]{}:,"\\a-c0-2 ]{0,60}"#) {
        if let Ok(value) = parse::<Value>(text.as_bytes()) {
            proptest::prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
