//! What the configuration may say, and what it is told otherwise.

use super::*;

fn error(args: &[&str]) -> (&'static str, String, String) {
    let error = parse(args).err().unwrap_or_else(|| panic!("{args:?}"));
    let text = String::from_utf8(error.text).unwrap();
    (error.part, text, error.must)
}

#[test]
fn a_wrong_rule_names_the_part_and_what_would_be_right() {
    let operators = "it must be eq, gt, ge, lt, le, in, any, all, match or exists, each with \"!\" \
                     in front for its contrary";
    let one = "one value must follow it; \"in\", \"any\" and \"all\" take several";
    let code = "it must be error=401 or error=403";
    let order = "it must be a number or a string";
    let alone = "a variable must stand alone; json=\"...\" is for text with the character \"$\"";
    let pattern_alone = "a variable must stand alone; \\$ is for the character \"$\"";
    let empty = "it must be a regular expression; an empty one would match everything";
    for (args, part, text, must) in [
        (&["", "eq", "a"][..], "name", "", "it must not be empty"),
        (
            &["a", "error=403"],
            "name",
            "a",
            "an operator must follow it",
        ),
        (&["a", "is", "b"], "operator", "is", operators),
        (&["a", "EQ", "b"], "operator", "EQ", operators),
        (&["a", "==", "b"], "operator", "==", operators),
        (&["a", "", "b"], "operator", "", operators),
        (&["a", "!", "b"], "operator", "!", operators),
        (&["a", "!!eq", "b"], "operator", "!!eq", operators),
        (&["a", "$op", "b"], "operator", "$op", operators),
        (&["a", "eq"], "operator", "eq", "a value must follow it"),
        (
            &["a", "!any", "error=403"],
            "operator",
            "!any",
            "a value must follow it",
        ),
        (
            &["a", "exists", "b"],
            "operator",
            "exists",
            "no value must follow it",
        ),
        (
            &["a", "!exists", "b", "c"],
            "operator",
            "!exists",
            "no value must follow it",
        ),
        (&["a", "eq", "b", "c"], "operator", "eq", one),
        (&["a", "ge", "1", "2"], "operator", "ge", one),
        (&["a", "!match", "1", "2"], "operator", "!match", one),
        (&["a", "eq", "b", "error=500"], "value", "error=500", code),
        (&["a", "eq", "b", "error="], "value", "error=", code),
        (&["a", "ge", "json=true"], "value", "json=true", order),
        (&["a", "lt", "json=[1]"], "value", "json=[1]", order),
        (&["a", "eq", "$a$b"], "value", "$a$b", alone),
        (&["a", "eq", "b$a"], "value", "b$a", alone),
        (&["a", "any", "b", "${a}b"], "value", "${a}b", alone),
        (&["a", "match", "^$a"], "value", "^$a", pattern_alone),
        (&["a", "match", "\\\\$a"], "value", "\\\\$a", pattern_alone),
        (&["a", "match", ""], "value", "", empty),
        (&["a", "match", "json=\"\""], "value", "json=\"\"", empty),
        (
            &["a", "match", "json=1"],
            "value",
            "json=1",
            "it must be a string",
        ),
        (
            &["a", "match", "(b"],
            "value",
            "(b",
            "it must be a regular expression: missing closing parenthesis",
        ),
        (
            &["a", "eq", "json="],
            "value",
            "json=",
            "it must be JSON: value is not JSON at byte 0",
        ),
        (
            &["a", "any", "b", "json=[1,]"],
            "value",
            "json=[1,]",
            "it must be JSON: value is not JSON at byte 3",
        ),
        (
            &["a", "ge", "json=01"],
            "value",
            "json=01",
            "it must be JSON: value is not JSON at byte 1",
        ),
        (
            &["a", "eq", "json={\"b\":1,\"b\":1}"],
            "value",
            "json={\"b\":1,\"b\":1}",
            "it must be JSON: value has the name \"b\" twice",
        ),
    ] {
        assert_eq!(error(args), (part, text.into(), must.into()), "{args:?}");
    }
    assert_eq!(error(&[".a[", "eq", "b"]).2, "a closing bracket is missing");
}

#[test]
fn the_last_argument_may_be_the_status() {
    let status = |args: &[&str]| parse(args).unwrap().status();
    assert_eq!(status(&["a", "eq", "b"]), 401);
    assert_eq!(status(&["a", "eq", "b", "error=401"]), 401);
    assert_eq!(status(&["a", "eq", "b", "error=403"]), 403);
    assert_eq!(status(&["a", "exists", "error=403"]), 403);
    assert_eq!(status(&["a", "in", "error=403", "b"]), 401);
    let claims = "{\"a\":\"error=403\"}";
    for args in [
        ["a", "in", "error=403", "b"],
        ["a", "eq", "json=\"error=403\"", "error=401"],
    ] {
        assert_eq!(judge(claims, &args, &FakeNginx::default()), "met");
    }
}

#[test]
fn a_dollar_that_is_no_variable_is_text() {
    let nginx = FakeNginx::default();
    for (claims, args) in [
        ("{\"a\":\"5$\"}", ["a", "eq", "5$"]),
        ("{\"a\":\"$ 5\"}", ["a", "eq", "$ 5"]),
        ("{\"a\":\"$b\"}", ["a", "eq", "json=\"$b\""]),
        ("{\"a\":\"x\\\\$b\"}", ["a", "match", "x\\$b"]),
        ("{\"a\":\"a$|b\"}", ["a", "match", "a$|b"]),
    ] {
        assert_eq!(judge(claims, &args, &nginx), "met", "{args:?}");
    }
}

#[test]
fn the_log_has_the_rule_as_it_is_written() {
    for (args, text) in [
        (
            &["aud", "any", "api", "web", "error=403"][..],
            "\"aud\" any \"api web\"",
        ),
        (&[".a.\"b\"", "!exists"], "\".a.\\\"b\\\"\" !exists"),
        (&["a", "nin", "json=[1]"], "\"a\" nin \"json=[1]\""),
        (&["a\n", "eq", "b\n"], "\"a\\x0a\" eq \"b\\x0a\""),
    ] {
        assert_eq!(&**parse(args).unwrap().text(), text);
    }
}

#[test]
fn a_text_that_looks_like_json_gets_a_warning() {
    let warnings = |args: &[&str]| {
        let mut nginx = FakeNginx::default();
        Rule::parse(args, &mut nginx).unwrap();
        nginx.warnings
    };
    for value in ["true", "null", "[\"a\"]", "{}", "\"a\""] {
        let quoted = text::Quoted::new(value);
        let warning = format!(
            "{quoted} is a text, and never the same as the JSON value; write json=... for that"
        );
        assert_eq!(warnings(&["a", "eq", value]), [&*warning]);
        assert_eq!(warnings(&["a", "any", "b", value]), [&*warning]);
    }
    for value in ["1", "a", "True", "", "json=true", "[a", "$v"] {
        assert_eq!(warnings(&["a", "!eq", value]), [""; 0], "{value}");
    }
    assert_eq!(warnings(&["a", "match", "[1]"]), [""; 0]);
}

#[test]
fn a_rule_without_variables_is_constant() {
    let is_constant = |args: &[&str]| parse(args).unwrap().is_constant();
    for args in [
        &["a", "exists"][..],
        &["a", "!exists"],
        &["a", "eq", "b"],
        &["a", "ge", "json=1"],
        &["a", "in", "b", "json=[1]"],
        &["a", "!any", "b", "c"],
        &["a", "all", "b", "error=403"],
        &["a", "match", "b"],
    ] {
        assert!(is_constant(args), "{args:?}");
    }
    for args in [
        &["a", "eq", "$b"][..],
        &["a", "lt", "json=$b"],
        &["a", "in", "b", "$c"],
        &["a", "!any", "$b", "c"],
        &["a", "all", "json=$b"],
        &["a", "match", "$b"],
    ] {
        assert!(!is_constant(args), "{args:?}");
    }
}
