use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Document<'_>, Malformed> {
    Document::parse(text.as_bytes())
}

#[test]
fn members_come_in_order_with_their_own_text() {
    let text =
        " {\"b\" : 1e2 ,\"a\\u0062\":[ 1, {\"x\":\"\\ud83d\\ude00\"} ],\n\"c\":\"q\\/\" }\r\n";
    let document = parse(text).unwrap();
    let members: Vec<_> = document
        .members()
        .iter()
        .map(|m| (&*m.name, m.value))
        .collect();
    assert_eq!(
        members,
        [
            ("b", "1e2"),
            ("ab", "[ 1, {\"x\":\"\\ud83d\\ude00\"} ]"),
            ("c", "\"q\\/\"")
        ]
    );
    assert_eq!(document.get("ab").map(kind), Some(Kind::Array));
    assert_eq!((document.get("x"), document.text()), (None, text));
}

#[test]
fn anything_but_one_object_is_refused() {
    for (text, why) in [
        ("", Malformed::EndsEarly { at: 0 }),
        (" ", Malformed::EndsEarly { at: 1 }),
        ("[]", Malformed::NotAnObject { at: 0 }),
        ("\u{feff}{}", Malformed::NotAnObject { at: 0 }),
        ("{} {}", Malformed::Trailing { at: 3 }),
        ("{\"a\":1", Malformed::EndsEarly { at: 6 }),
        ("{\"a\":1,}", Malformed::Unexpected { at: 7 }),
        ("{\"a\":[1,]}", Malformed::Unexpected { at: 8 }),
        ("{\"a\":[1}", Malformed::Unexpected { at: 7 }),
        ("{\"a\":01}", Malformed::Unexpected { at: 6 }),
        ("{\"a\":1.}", Malformed::Unexpected { at: 7 }),
        ("{\"a\":nul}", Malformed::Unexpected { at: 8 }),
        ("{\"a\":\"\t\"}", Malformed::BadString { at: 6 }),
        ("{\"a\":\"\\x\"}", Malformed::BadString { at: 7 }),
        (
            "{\"a\":[[\"\\ud800\"]]}",
            Malformed::LoneSurrogate { at: 8 },
        ),
        ("{\"\\udc00\":1}", Malformed::LoneSurrogate { at: 2 }),
        ("{\"a\":1,\"\\u0061\":2}", Malformed::DuplicateName),
        ("{'a':1}", Malformed::Unexpected { at: 1 }),
    ] {
        assert_eq!(parse(text), Err(why), "{text:?}");
    }
    assert_eq!(
        Document::parse(b"{\"\xff\":1}"),
        Err(Malformed::NotUtf8 { at: 2 })
    );
}

#[test]
fn the_deepest_nesting_is_128_with_the_top_level_object() {
    let nested = |depth: usize, open: &str, close: &str| {
        format!(
            "{{\"a\":{}1{}}}",
            open.repeat(depth - 1),
            close.repeat(depth - 1)
        )
    };
    for (open, close) in [("[", "]"), ("{\"b\":", "}")] {
        assert!(parse(&nested(128, open, close)).is_ok());
        assert!(matches!(
            parse(&nested(129, open, close)),
            Err(Malformed::TooDeep { .. })
        ));
    }
    // Far deeper costs no stack.
    assert!(parse(&nested(100_000, "[", "]")).is_err());
}

#[test]
fn duplicates_are_found_among_few_and_many_but_allowed_inside() {
    let many = |last: &str| {
        let names: String = (0..1000).map(|i| format!("\"n{i}\":0,")).collect();
        format!("{{{names}\"{last}\":1}}")
    };
    assert!(parse(&many("other")).is_ok());
    assert_eq!(parse(&many("n\\u0037")), Err(Malformed::DuplicateName));
    // Neither their beginnings nor their lengths tell these apart.
    assert!(parse("{\"task_start_time\":1,\"task_start_date\":2}").is_ok());
    for (first, again) in (0..24).flat_map(|again| (0..again).map(move |first| (first, again))) {
        let name = |at: usize| if at == again { first } else { at };
        let members = (0..24).map(|at| format!("\"stream_{:02}\":0", name(at)));
        let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        assert_eq!(
            parse(&text),
            Err(Malformed::DuplicateName),
            "{first}, {again}"
        );
    }
    assert!(parse("{\"d\":{\"x\":1,\"x\":2}}").is_ok());
    let inner = Document::parse_lenient("{\"x\":1,\"x\":2}").unwrap();
    assert_eq!((inner.members().len(), inner.get("x")), (2, Some("2")));
}

#[test]
fn strings_are_unescaped() {
    for (raw, said) in [
        (r#""""#, ""),
        (r#""plain é""#, "plain é"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u00e9\ud83d\ude00x""#, "é😀x"),
        (r#""\u0000""#, "\0"),
    ] {
        assert_eq!(string(raw).as_deref(), Some(said), "{raw}");
    }
    for no_string in ["", "\"", "1", "\"a\"b", "\"\\ud800\"", " \"a\"", "null"] {
        assert_eq!(string(no_string), None, "{no_string}");
    }
}

#[test]
fn integers_have_neither_fraction_nor_exponent() {
    for (raw, number) in [("0", 0), ("-0", 0), ("-12", -12), ("100", 100)] {
        assert_eq!(integer(raw), Some(number));
    }
    for no_integer in [
        "",
        "-",
        "01",
        "1.0",
        "1e2",
        "\"1\"",
        "+1",
        "1 ",
        "99999999999999999999",
    ] {
        assert_eq!(integer(no_integer), None, "{no_integer}");
    }
    assert_eq!(
        integer_text("99999999999999999999"),
        Some("99999999999999999999")
    );
}

#[test]
fn arrays_come_apart() {
    assert_eq!(elements(" [ ] "), Ok(vec![]));
    assert_eq!(
        elements("[1 , \"a,]\",[2,3],{\"a\":[]}]"),
        Ok(vec!["1", "\"a,]\"", "[2,3]", "{\"a\":[]}"])
    );
    for no_array in ["", "{}", "[1,]", "[1", "[1]]", "[1 2]"] {
        assert!(elements(no_array).is_err(), "{no_array}");
    }
}

/// Any JSON value, some depth, written with random white space.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        Just(r#""\ud83d\ude00\u000a\/""#.to_owned()),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let name = any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[ {} ]", items.join(" ,\t"))),
            prop::collection::vec((name, inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(n, v)| format!("{n} :{v}")).collect();
                format!("{{{}\n}}", members.join(","))
            }),
        ]
    })
}

/// Whether serde_json takes the text as one value, strings unescaped on the way.
fn serde_takes(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok()
}

proptest! {
    #[test]
    fn whatever_is_json_passes_and_comes_apart(value in json()) {
        prop_assert_eq!(check(&value), Ok(()));
        let wrapped = format!("{{\"v\": {value} }}");
        let document = parse(&wrapped).unwrap();
        prop_assert_eq!(document.get("v"), Some(value.trim()));
    }

    #[test]
    fn strings_say_what_serde_json_says(said in any::<String>()) {
        let raw = serde_json::to_string(&said).unwrap();
        let found = string(&raw);
        prop_assert_eq!(found.as_deref(), Some(&*said));
    }

    /// Damaged texts: serde_json and we agree, but for depth and numbers too large for a float, which don't occur here.
    #[test]
    fn damaged_texts_are_judged_as_serde_json_judges_them(
        value in json(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = format!("{{\"v\":{value}}}").into_bytes();
        for (place, bit) in damage {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let ours = Document::parse(&bytes);
        // Only objects can agree. A flip can make an outer name a duplicate, which serde_json lets pass.
        let object = bytes.trim_ascii_start().starts_with(b"{");
        let overflow = serde_json::from_slice::<serde_json::Value>(&bytes)
            .is_err_and(|e| e.to_string().contains("out of range"));
        let taken = ours.is_ok() || ours == Err(Malformed::DuplicateName);
        prop_assert!(overflow || taken || !object || !serde_takes(&bytes));
        prop_assert!(overflow || ours.is_err() || serde_takes(&bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(&bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = (check(text), elements(text), string(text), integer(text), kind(text));
        }
    }
}
