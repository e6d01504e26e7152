//! What rules say beyond the table: exactness, limits, variables, and the texts for the log.

use super::*;

fn met(claims: &str, args: &[&str]) -> bool {
    judge(claims, args, &FakeNginx::default()) == "met"
}

#[test]
fn numbers_compare_exactly() {
    for (claim, value) in [
        ("1", "1.0"),
        ("1", "1e0"),
        ("10e-1", "1"),
        ("9007199254740993", "9007199254740993.0"),
        ("-0", "0"),
        ("1e400", "10e399"),
    ] {
        let claims = format!("{{\"n\":{claim}}}");
        let json = format!("json={value}");
        for value in [value, json.as_str()] {
            for operator in ["eq", "ge", "le", "in", "any", "all"] {
                assert!(met(&claims, &["n", operator, value]), "{claim} {value}");
            }
            for operator in ["ne", "gt", "lt"] {
                assert!(!met(&claims, &["n", operator, value]), "{claim} {value}");
            }
        }
    }
    for (less, greater) in [
        ("9007199254740992", "9007199254740993"),
        ("18446744073709551615", "18446744073709551616"),
        ("0.1", "0.10000000000000000000000000001"),
        ("-2", "-1"),
        ("9", "10"),
        ("-1e400", "1e400"),
        ("1e99999999999999999999", "1e100000000000000000000"),
    ] {
        let claims = format!("{{\"n\":{less}}}");
        assert!(met(&claims, &["n", "lt", greater]), "{less} {greater}");
        assert!(met(&claims, &["n", "le", greater]), "{less} {greater}");
        assert!(met(&claims, &["n", "ne", greater]), "{less} {greater}");
        assert!(!met(&claims, &["n", "gt", greater]), "{less} {greater}");
        assert!(!met(&claims, &["n", "ge", greater]), "{less} {greater}");
        assert!(!met(&claims, &["n", "eq", greater]), "{less} {greater}");
    }
    assert!(met("{\"n\":\"9\"}", &["n", "gt", "10"]), "by bytes");
    assert!(!met("{\"n\":\"1.0\"}", &["n", "eq", "1"]), "by bytes");
}

#[test]
fn strings_are_their_characters() {
    let claims = r#"{"s":"a\u0062\u00e9","e":"","z":"a\u0000b"}"#;
    assert!(met(claims, &["s", "eq", "abé"]));
    assert!(met(claims, &["s", "eq", r#"json="\u0061bé""#]));
    assert!(met(claims, &["s", "match", "bé"]));
    assert!(met(claims, &["s", "gt", "abz"]));
    assert!(!met(claims, &["s", "eq", "ABÉ"]));
    assert!(met(claims, &["e", "eq", ""]));
    assert!(met(claims, &["e", "exists"]));
    assert!(!met(claims, &["z", "eq", "a"]));
    assert!(met(claims, &["z", "eq", r#"json="a\u0000b""#]));
    let latin = FakeNginx::with("v", b"ab\xe9");
    assert_eq!(
        judge(claims, &["s", "eq", "$v"], &latin),
        "it is \"ab\\xc3\\xa9\""
    );
    assert_eq!(judge(claims, &["s", "lt", "$v"], &latin), "met");
}

#[test]
fn arrays_and_objects_are_their_members() {
    let claims = r#"{"o":{"a":1,"b":[true,null],"\u0063":"x"},"a":[[1],{"b":2}]}"#;
    for equal in [
        r#"json={"c":"x","b":[true,null],"a":1.0}"#,
        r#"json={ "a" : 1, "b" : [ true, null ], "c" : "\u0078" }"#,
    ] {
        assert!(met(claims, &["o", "eq", equal]), "{equal}");
    }
    for other in [
        r#"json={"a":1,"b":[true,null]}"#,
        r#"json={"a":1,"b":[null,true],"c":"x"}"#,
        r#"json={"a":1,"b":[true],"c":"x"}"#,
        r#"json={"a":1,"b":[true,null],"d":"x"}"#,
        r#"json={"a":1,"b":[true,null],"c":"x","d":1}"#,
        r#"json={"a":"1","b":[true,null],"c":"x"}"#,
    ] {
        assert!(!met(claims, &["o", "eq", other]), "{other}");
        assert!(met(claims, &["o", "ne", other]), "{other}");
    }
    assert!(met(claims, &["a", "any", "json=[[1.0]]"]));
    assert!(met(claims, &["a", "all", "json={\"b\":2}", "json=[1]"]));
    assert!(!met(claims, &["a", "any", "json=[1]"]), "one element, 1");
    assert!(met(claims, &["a", "in", "json=[[[1],{\"b\":2}]]"]));
    assert!(met(claims, &[".a[1].b", "ge", "2"]));
    assert!(met(claims, &[".o.b[1]", "eq", "json=null"]));
}

#[test]
fn large_objects_are_equal_in_any_order() {
    let object = |names: &mut dyn Iterator<Item = u32>| {
        let members: Vec<_> = names.map(|name| format!("\"{name}\":{name}")).collect();
        format!("{{{}}}", members.join(","))
    };
    for count in [15, 16, 17, 40] {
        let claims = format!("{{\"o\":{}}}", object(&mut (0..count)));
        let reversed = format!("json={}", object(&mut (0..count).rev()));
        let other = format!("json={}", object(&mut (1..=count).rev()));
        assert!(met(&claims, &["o", "eq", &reversed]), "{count}");
        assert!(!met(&claims, &["o", "eq", &other]), "{count}");
    }
}

#[test]
fn row_17_elements_are_not_words() {
    for (roles, is_met) in [
        (r#"["a","admin"]"#, true),
        (r#""admin""#, true),
        (r#"["a,admin"]"#, false),
        (r#""a,admin""#, false),
        (r#"["administrator"]"#, false),
        (r#"["Admin"]"#, false),
        (r#"[["admin"]]"#, false),
        (r#"{"admin":true}"#, false),
    ] {
        let claims = format!("{{\"roles\":{roles}}}");
        assert_eq!(met(&claims, &["roles", "any", "admin"]), is_met, "{roles}");
        assert_eq!(
            met(&claims, &["roles", "!any", "admin"]),
            !is_met,
            "{roles}"
        );
    }
}

#[test]
fn several_values_make_an_array() {
    let claims = r#"{"aud":["api","web"],"sub":"bob","x":[["a"]]}"#;
    assert!(met(claims, &["aud", "any", "other", "web"]));
    assert!(met(claims, &["aud", "all", "api", "web"]));
    assert!(!met(claims, &["aud", "all", "api", "web", "other"]));
    assert!(!met(claims, &["aud", "any", "api web"]), "one value");
    assert!(met(claims, &["sub", "in", "alice", "bob"]));
    assert!(met(claims, &["sub", "nin", "alice", "eve"]));
    assert!(
        met(claims, &["x", "any", "json=[\"a\"]", "b"]),
        "an element"
    );
    assert!(!met(claims, &["x", "any", "json=[\"a\"]"]), "the array");
    assert!(!met(claims, &["sub", "in", "json={\"bob\":1}", "alice"]));
    let nginx = FakeNginx::with("v", b"web");
    assert_eq!(judge(claims, &["aud", "all", "api", "$v"], &nginx), "met");
}

#[test]
fn a_variable_is_json_where_it_is_json() {
    let claims = r#"{"n":1,"s":"1","t":"[x","w":"true","b":true}"#;
    let say = |args: &[&str], value: &[u8]| judge(claims, args, &FakeNginx::with("v", value));
    assert_eq!(say(&["n", "eq", "$v"], b"1.0"), "met");
    assert_eq!(say(&["n", "eq", "$v"], b" 1 "), "met");
    assert_eq!(say(&["n", "eq", "$v"], b"\"1\""), "it is the number \"1\"");
    assert_eq!(say(&["s", "eq", "$v"], b"\"1\""), "met");
    assert_eq!(say(&["s", "eq", "$v"], b"1"), "it is \"1\"");
    assert_eq!(say(&["b", "eq", "$v"], b"true"), "met");
    assert_eq!(say(&["w", "eq", "$v"], b"true"), "it is \"true\"");
    assert_eq!(say(&["w", "in", "$v"], b"[\"true\"]"), "met");
    // Not JSON, and therefore text.
    assert_eq!(say(&["n", "eq", "$v"], b"01"), "it is the number \"1\"");
    assert_eq!(say(&["n", "ne", "$v"], b"truex"), "met");
    assert_eq!(
        say(&["n", "gt", "$v"], b"x"),
        "it is a number, not a string"
    );
    assert_eq!(say(&["s", "ge", "$v"], b"0x"), "met");
    assert_eq!(say(&["s", "eq", "$v"], b""), "it is \"1\"");
}

#[test]
fn a_variable_that_should_be_json_and_is_not_fails_the_rule_and_its_contrary() {
    let claims = r#"{"t":"[x"}"#;
    for operator in [
        "eq", "!eq", "in", "!in", "any", "!any", "all", "!all", "ge", "!ge",
    ] {
        for (value, reason) in [
            ("[x", "value is not JSON at byte 1"),
            (" [1,", "value is not JSON at byte 4"),
            ("{\"a\":1,\"a\":2}", "value has the name \"a\" twice"),
            ("\"x", "value is not JSON at byte 2"),
        ] {
            let nginx = FakeNginx::with("v", value.as_bytes());
            let says = judge(claims, &["t", operator, "$v"], &nginx);
            assert_eq!(says, format!("$v: {reason}"), "{operator} {value}");
        }
        for (value, reason) in [
            ("", "value is not JSON at byte 0"),
            ("x", "value is not JSON at byte 0"),
            ("01", "value is not JSON at byte 1"),
        ] {
            let nginx = FakeNginx::with("v", value.as_bytes());
            let says = judge(claims, &["t", operator, "json=$v"], &nginx);
            assert_eq!(says, format!("json=$v: {reason}"), "{operator} {value}");
        }
    }
}

#[test]
fn the_order_of_values_does_not_matter() {
    let nginx = FakeNginx::with("v", b"[broken");
    for operator in ["in", "!in", "any", "!any", "all", "!all"] {
        for claim in ["\"a\"", "\"b\"", "[\"a\",\"b\"]"] {
            let claims = format!("{{\"c\":{claim}}}");
            for values in [["a", "$v"], ["$v", "a"]] {
                let says = judge(&claims, &["c", operator, values[0], values[1]], &nginx);
                let expected = "$v: value is not JSON at byte 1";
                assert_eq!(says, expected, "{operator} {claim} {values:?}");
            }
        }
    }
}

#[test]
fn a_pattern_of_a_variable_is_bounded() {
    let claims = r#"{"s":"abc","n":1}"#;
    let long = "a".repeat(1025);
    for (value, says, contrary) in [
        ("b", "met", "it is \"abc\""),
        ("\"b\"", "met", "it is \"abc\""),
        ("x", "it is \"abc\"", "met"),
        (&long[1..], "it is \"abc\"", "met"),
        ("1", "it is \"abc\"", "met"),
        ("[b]", "it is \"abc\"", "met"),
        (
            "",
            "$v: empty regular expression",
            "$v: empty regular expression",
        ),
        (
            "\"\"",
            "$v: empty regular expression",
            "$v: empty regular expression",
        ),
        (
            "(",
            "$v: missing closing parenthesis",
            "$v: missing closing parenthesis",
        ),
        ("slow", "too many steps", "too many steps"),
        (
            &long,
            "$v: regular expression of 1025 bytes is longer than 1024 bytes",
            "$v: regular expression of 1025 bytes is longer than 1024 bytes",
        ),
    ] {
        let nginx = FakeNginx::with("v", value.as_bytes());
        assert_eq!(
            judge(claims, &["s", "match", "$v"], &nginx),
            says,
            "{value}"
        );
        assert_eq!(
            judge(claims, &["s", "!match", "$v"], &nginx),
            contrary,
            "{value}"
        );
    }
    for (value, says) in [
        ("\"b\"", "met"),
        ("b", "json=$v: value is not JSON at byte 0"),
        ("1", "json=$v: not a string"),
    ] {
        let nginx = FakeNginx::with("v", value.as_bytes());
        assert_eq!(
            judge(claims, &["s", "match", "json=$v"], &nginx),
            says,
            "{value}"
        );
    }
}

#[test]
fn a_rule_is_bounded_in_time() {
    let nginx = FakeNginx::default();
    let string = |length| format!("{{\"s\":\"{}\"}}", "a".repeat(length));
    let variable = FakeNginx::with("v", b"aa");
    for operator in ["match", "!match"] {
        assert_eq!(
            judge(&string(1025), &["s", operator, "aa"], &nginx),
            "it has 1025 bytes, more than 1024"
        );
        assert_eq!(
            judge(&string(257), &["s", operator, "$v"], &variable),
            "it has 257 bytes, more than 256"
        );
        assert_eq!(
            judge(&string(9), &["s", operator, "slow"], &nginx),
            "too many steps"
        );
    }
    assert_eq!(judge(&string(1024), &["s", "match", "aa"], &nginx), "met");
    assert_eq!(judge(&string(256), &["s", "match", "$v"], &variable), "met");

    let numbers = |count: usize| vec!["0"; count].join(",");
    let claims = |count| format!("{{\"a\":[{}]}}", numbers(count));
    let wanted = |count: usize| format!("json=[{}]", vec!["1"; count].join(","));
    for operator in ["any", "!any"] {
        let says = judge(&claims(1001), &["a", operator, &wanted(100)], &nginx);
        assert_eq!(says, "it has too many elements to compare");
    }
    assert_eq!(
        judge(&claims(1000), &["a", "!any", &wanted(100)], &nginx),
        "met"
    );
    let found = format!("json=[{}]", numbers(1000));
    assert_eq!(judge(&claims(101), &["a", "all", &found], &nginx), "met");
}

#[test]
fn a_failure_says_why_and_cuts_the_value() {
    let nginx = FakeNginx::default();
    let long = format!("{{\"s\":\"{}\"}}", "x".repeat(200));
    assert_eq!(
        judge(&long, &["s", "eq", "a"], &nginx),
        format!("it is \"{}\"...", "x".repeat(128))
    );
    let claims = r#"{"o":{"a": "b\n"},"s":"\r\n\"","n":1,"a":[1, 2],"z":null,"t":true}"#;
    for (args, says) in [
        (["o", "eq", "a"], r#"it is the object "{\"a\": \"b\\n\"}""#),
        (["s", "eq", "a"], r#"it is "\x0d\x0a\"""#),
        (["a", "any", "3"], r#"it is the array "[1, 2]""#),
        (
            ["a", "eq", "3"],
            r#"it is the array "[1, 2]"; "any" compares its elements"#,
        ),
        (
            ["a", "in", "3"],
            r#"it is the array "[1, 2]"; "any" compares its elements"#,
        ),
        (["a", "!eq", "json=[1,2]"], r#"it is the array "[1, 2]""#),
        (["z", "eq", "null"], r#"it is the JSON value "null""#),
        (["t", "eq", "true"], r#"it is the JSON value "true""#),
        (["n", "match", "a"], "it is a number, not a string"),
        (["n", "gt", "a"], "it is a number, not a string"),
        (["z", "gt", "1"], "it is null, not a number or a string"),
        (["t", "!gt", "json=1"], "it is a boolean, not a number"),
        (["s", "gt", "json=1"], "it is a string, not a number"),
        (["a", "in", "json={}"], "it is an array, not a string"),
        (["o", "le", "json=\"\""], "it is an object, not a string"),
        (["x", "!eq", "a"], "it is missing"),
    ] {
        assert_eq!(judge(claims, &args, &nginx), says, "{args:?}");
    }
}
