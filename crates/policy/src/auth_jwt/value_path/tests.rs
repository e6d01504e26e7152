use super::*;
use jose::{Document, Limits};

fn find(path: &str, json: &str) -> Option<String> {
    let document = Document::parse_value(json.as_bytes(), &Limits::default()).unwrap();
    let path = ValuePath::parse(path.as_bytes()).unwrap();
    path.find(document.root()).map(|value| value.raw().into())
}

#[test]
fn names_and_paths_find_values() {
    let json = r#"{"a":{"b":1,"c.d":2,"c":{"d":3}},"a.b":4,"r":[5,[6,7]],"é":8,"a-b_0":9,
        "https://x.example/y":10,"":11,"x]":12,"a\u0062":13}"#;
    for (path, expected) in [
        ("a.b", "4"),
        (".a.b", "1"),
        (".a.\"c.d\"", "2"),
        (".a.c.d", "3"),
        (".\"a.b\"", "4"),
        (".r[0]", "5"),
        (".r[1][1]", "7"),
        (".\"r\"[1][0]", "6"),
        (".é", "8"),
        ("é", "8"),
        (".a-b_0", "9"),
        ("https://x.example/y", "10"),
        (".\"https://x.example/y\"", "10"),
        ("x]", "12"),
        (".\"x]\"", "12"),
        ("ab", "13"),
        (".ab", "13"),
    ] {
        assert_eq!(find(path, json).as_deref(), Some(expected), "{path}");
    }
    for path in [
        "b",
        "A",
        ".b",
        ".a.x",
        ".a[0]",
        ".r.b",
        ".r[2]",
        ".r[0][0]",
        ".r[1][2]",
        "[0]",
        "a[0]",
        ".a.b.c",
        "\"a.b\"",
        " a",
        ".é.é",
        ".r[18446744073709551615]",
    ] {
        assert_eq!(find(path, json), None, "{path}");
    }
}

#[test]
fn a_wrong_path_is_an_error() {
    let name = "a name in a path must consist of letters, digits, \"_\" and \"-\", or be in double \
                quotes, as in .\"a.b\"";
    let position = "a position in a path must be a number without a sign, as in .roles[0]";
    let variable = "it must be a name, and no variable; .\"$a\" is for a name with the character \
                    \"$\"";
    let between = "\".\" or \"[\" must follow a name in quotes and a position";
    for (path, expected) in [
        ("", "it must not be empty"),
        ("$a", variable),
        ("${a}.b", variable),
        (".", name),
        ("..a", name),
        (".a.", name),
        (".a..b", name),
        (".a b", name),
        (".a\"b\"", name),
        (".a]", name),
        (".a:b", name),
        (".https://x", name),
        (".$a", name),
        (".a*", name),
        (".\"\"", "a name in a path must not be empty"),
        (".\"a", "a closing quote is missing"),
        (".\"a\"b", between),
        (".\"a\"\"b\"", between),
        (".r[0]b", between),
        (".r[", "a closing bracket is missing"),
        (".r[0", "a closing bracket is missing"),
        (".r[]", position),
        (".r[-1]", position),
        (".r[+1]", position),
        (".r[00]", position),
        (".r[01]", position),
        (".r[1.0]", position),
        (".r[*]", position),
        (".r[a]", position),
        (".r[ 0]", position),
        (".r[18446744073709551616]", position),
    ] {
        assert_eq!(ValuePath::parse(path.as_bytes()), Err(expected), "{path}");
    }
}

#[test]
fn a_name_that_would_be_a_path_with_a_dot_in_front_is_doubtful() {
    for name in [
        "a.b",
        "realm_access.roles",
        "roles[0]",
        "a[0].b",
        "a.\"b.c\"",
    ] {
        let doubt = format!(
            "\"{name}\" is one name; a path begins with a dot, as in .{name}, and .\"{name}\" is for \
             this name"
        );
        assert_eq!(ValuePath::doubt(name.as_bytes()), Some(doubt));
    }
    for name in [
        "",
        "a",
        ".a.b",
        "[0].a",
        "a.",
        "a[",
        "a..b",
        "a b.c",
        "https://a.example/b",
    ] {
        assert_eq!(ValuePath::doubt(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn a_path_of_names_has_them_apart() {
    for (path, names) in [
        (".a", Some("a")),
        (".a.b", Some("a b")),
        (".a.\"b.c\"", Some("a \"b.c\"")),
        (".a.\"b c\"", Some("a \"b c\"")),
        (".a[0]", None),
        ("[0]", None),
        (".a.", None),
        (".", None),
        ("a", None),
        ("a.b", None),
        ("", None),
    ] {
        let apart = ValuePath::names_apart(path.as_bytes());
        assert_eq!(apart.as_deref(), names, "{path}");
    }
}
