//! Each operator and its contrary with each JSON type on both sides.

use super::*;

const CLAIMS: [&str; 9] = [
    "null",
    "false",
    "true",
    "1",
    "\"1\"",
    "\"a\"",
    "[]",
    "[1,\"a\"]",
    "{\"a\":1}",
];

const JSON: [&str; 8] = [
    "null",
    "true",
    "1",
    "\"1\"",
    "\"a\"",
    "[]",
    "[1,\"a\"]",
    "{\"a\":1}",
];

/// A value, and the judgement of each claim: `y` the rule is met, `n` its contrary is met, `-`
/// neither is.
type Row = (&'static str, &'static str);

const EQ: [Row; 10] = [
    ("a", "n n n n n y n n n"),
    ("1", "n n n y y n n n n"),
    ("json=null", "y n n n n n n n n"),
    ("json=true", "n n y n n n n n n"),
    ("json=1", "n n n y n n n n n"),
    ("json=\"1\"", "n n n n y n n n n"),
    ("json=\"a\"", "n n n n n y n n n"),
    ("json=[]", "n n n n n n y n n"),
    ("json=[1,\"a\"]", "n n n n n n n y n"),
    ("json={\"a\":1}", "n n n n n n n n y"),
];

const GT: [Row; 5] = [
    ("a", "- - - - n n - - -"),
    ("1", "- - - n n y - - -"),
    ("json=1", "- - - n - - - - -"),
    ("json=\"1\"", "- - - - n y - - -"),
    ("json=\"a\"", "- - - - n n - - -"),
];

const GE: [Row; 5] = [
    ("a", "- - - - n y - - -"),
    ("1", "- - - y y y - - -"),
    ("json=1", "- - - y - - - - -"),
    ("json=\"1\"", "- - - - y y - - -"),
    ("json=\"a\"", "- - - - n y - - -"),
];

const LT: [Row; 5] = [
    ("a", "- - - - y n - - -"),
    ("1", "- - - n n n - - -"),
    ("json=1", "- - - n - - - - -"),
    ("json=\"1\"", "- - - - n n - - -"),
    ("json=\"a\"", "- - - - y n - - -"),
];

const LE: [Row; 5] = [
    ("a", "- - - - y y - - -"),
    ("1", "- - - y y n - - -"),
    ("json=1", "- - - y - - - - -"),
    ("json=\"1\"", "- - - - y n - - -"),
    ("json=\"a\"", "- - - - y y - - -"),
];

const IN: [Row; 10] = [
    ("a", "n n n n n y n n n"),
    ("1", "n n n y y n n n n"),
    ("json=null", "y n n n n n n n n"),
    ("json=true", "n n y n n n n n n"),
    ("json=1", "n n n y n n n n n"),
    ("json=\"1\"", "n n n n y n n n n"),
    ("json=\"a\"", "n n n n n y n n n"),
    ("json=[]", "n n n n n n n n n"),
    ("json=[1,\"a\"]", "n n n y n y n n n"),
    ("json={\"a\":1}", "- - - - n y - - -"),
];

const ANY: [Row; 10] = [
    ("a", "n n n n n y n y n"),
    ("1", "n n n y y n n y n"),
    ("json=null", "y n n n n n n n n"),
    ("json=true", "n n y n n n n n n"),
    ("json=1", "n n n y n n n y n"),
    ("json=\"1\"", "n n n n y n n n n"),
    ("json=\"a\"", "n n n n n y n y n"),
    ("json=[]", "n n n n n n n n n"),
    ("json=[1,\"a\"]", "n n n y n y n y n"),
    ("json={\"a\":1}", "n n n n n n n n y"),
];

const ALL: [Row; 10] = [
    ("a", "n n n n n y n y n"),
    ("1", "n n n y y n n y n"),
    ("json=null", "y n n n n n n n n"),
    ("json=true", "n n y n n n n n n"),
    ("json=1", "n n n y n n n y n"),
    ("json=\"1\"", "n n n n y n n n n"),
    ("json=\"a\"", "n n n n n y n y n"),
    ("json=[]", "y y y y y y y y y"),
    ("json=[1,\"a\"]", "n n n n n n n y n"),
    ("json={\"a\":1}", "n n n n n n n n y"),
];

const MATCH: [Row; 4] = [
    ("a", "- - - - n y - - -"),
    ("1", "- - - - y n - - -"),
    ("json=\"1\"", "- - - - y n - - -"),
    ("json=\"a\"", "- - - - n y - - -"),
];

/// What the operators and their contraries say of one claim, by all of their names.
fn outcomes(names: [&[&str]; 2], value: &str, claims: &str, nginx: &FakeNginx) -> Vec<char> {
    let is_met = |name: &str| judge(claims, &["c", name, value], nginx) == "met";
    let (operators, contraries) = (names[0], names[1]);
    let mut outcomes = Vec::new();
    for operator in operators {
        for contrary in contraries {
            outcomes.push(match (is_met(operator), is_met(contrary)) {
                (true, false) => 'y',
                (false, true) => 'n',
                (false, false) => '-',
                (true, true) => panic!("{operator} and {contrary} {value}: {claims}"),
            });
        }
    }
    outcomes
}

fn check(names: [&[&str]; 2], rows: &[Row]) {
    for (value, judgements) in rows {
        for (claim, expected) in CLAIMS.iter().zip(judgements.split(' ')) {
            let expected = expected.chars().next().unwrap();
            let claims = format!("{{\"c\":{claim}}}");
            let mut outcomes = outcomes(names, value, &claims, &FakeNginx::default());
            // JSON in a variable is the same as in the configuration.
            if let Some(json) = value.strip_prefix("json=") {
                let nginx = FakeNginx::with("v", json.as_bytes());
                outcomes.extend(super::table::outcomes(names, "$v", &claims, &nginx));
                outcomes.extend(super::table::outcomes(names, "json=${v}", &claims, &nginx));
            }
            let same = vec![expected; outcomes.len()];
            assert_eq!(outcomes, same, "{claim} {:?} {value}", names[0]);
        }
        let missing = outcomes(names, value, "{}", &FakeNginx::default());
        assert_eq!(missing, vec!['-'; missing.len()], "missing {:?}", names[0]);
    }
}

#[test]
fn row_17_eq_compares_json() {
    check([&["eq", "!ne"], &["!eq", "ne"]], &EQ);
}

#[test]
fn gt_ge_lt_le_compare_two_numbers_or_two_strings() {
    check([&["gt"], &["!gt"]], &GT);
    check([&["ge"], &["!ge"]], &GE);
    check([&["lt"], &["!lt"]], &LT);
    check([&["le"], &["!le"]], &LE);
}

#[test]
fn in_looks_the_claim_up() {
    check([&["in", "!nin"], &["!in", "nin"]], &IN);
}

#[test]
fn any_and_all_look_values_up_in_the_claim() {
    check(
        [
            &["any", "intersect", "!nintersect"],
            &["!any", "!intersect", "nintersect"],
        ],
        &ANY,
    );
    check([&["all"], &["!all"]], &ALL);
}

#[test]
fn match_takes_strings() {
    check([&["match"], &["!match"]], &MATCH);
}

#[test]
fn exists_asks_only_whether_the_claim_is_there() {
    let nginx = FakeNginx::default();
    for claim in CLAIMS {
        let claims = format!("{{\"c\":{claim}}}");
        assert_eq!(judge(&claims, &["c", "exists"], &nginx), "met", "{claim}");
        assert_ne!(judge(&claims, &["c", "!exists"], &nginx), "met", "{claim}");
    }
    assert_eq!(judge("{}", &["c", "exists"], &nginx), "it is missing");
    assert_eq!(judge("{}", &["c", "!exists"], &nginx), "met");
}

/// The values that the tables of `gt`, `ge`, `lt`, `le` and `match` leave out.
#[test]
fn a_value_that_the_operator_does_not_take_fails_the_rule_and_its_contrary() {
    let order = ["gt", "!gt", "ge", "!ge", "lt", "!lt", "le", "!le"];
    for value in JSON {
        let args = |operator| ["c", operator, "$v"];
        let nginx = FakeNginx::with("v", value.as_bytes());
        let is_ordered = value == "1" || value.starts_with('"');
        for claim in CLAIMS {
            let claims = format!("{{\"c\":{claim}}}");
            for operator in order {
                let says = judge(&claims, &args(operator), &nginx);
                let refused = says == "$v: neither a number nor a string";
                assert_eq!(refused, !is_ordered, "{claim} {operator} {value}: {says}");
            }
        }
        for operator in order {
            let constant = format!("json={value}");
            let error = parse(&["c", operator, &constant]).err();
            let must = error.map(|error| error.must);
            let expected = (!is_ordered).then(|| "it must be a number or a string".to_owned());
            assert_eq!(must, expected, "{operator} {value}");
        }
    }
}

/// Objects with more members are compared in another way than small ones.
#[test]
fn large_objects_are_equal_if_all_names_and_values_are() {
    let object = |change: &str| {
        let members: Vec<_> = (10..30)
            .map(|number| format!("\"{number}\":{number}"))
            .collect();
        format!("{{{}}}", members.join(",")).replace("\"20\":20", change)
    };
    let nginx = FakeNginx::default();
    let own = format!("json={}", object("\"20\":20"));
    let eq = |claim: &str| {
        let claims = format!("{{\"c\":{claim}}}");
        judge(&claims, &["c", "eq", &own], &nginx)
    };
    assert_eq!(eq(&object("\"20\":20.0")), "met");
    for change in ["\"20\":21", "\"x\":20", "\"x\":21"] {
        assert_ne!(eq(&object(change)), "met", "{change}");
    }
}

#[test]
fn the_value_that_a_rule_is_about_is_at_its_path() {
    let rule = parse(&[".a.b", "exists"]).unwrap();
    let document = document(r#"{"a":{"b":7}}"#);
    let value = rule.value(document.root());
    assert_eq!(value.and_then(jose::JsonValue::as_number), Some("7"));
    let (_, missing) = document.root().members().next().unwrap();
    assert!(rule.value(missing).is_none());
}
