//! What holds for any rule and any claims.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

const OPERATORS: [&str; 10] = [
    "eq", "gt", "ge", "lt", "le", "in", "any", "all", "match", "exists",
];

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-3i64..3).prop_map(Value::from),
        "[ab1\"\\\\]{0,2}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[ab]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rule_and_its_contrary_are_never_both_met(
        claim in json(),
        value in prop_oneof![
            json().prop_map(|json| format!("json={json}")),
            json().prop_map(|json| json.to_string()),
            "[ab1()$]{0,3}",
            Just("$v".to_owned()),
        ],
        variable in prop_oneof![json().prop_map(|json| json.to_string()), "[\\[{\"a1]{0,3}"],
    ) {
        let nginx = FakeNginx::with("v", variable.as_bytes());
        let claims = document(&format!("{{\"c\":{claim}}}"));
        for operator in OPERATORS {
            let is_met = |name: &str| {
                let values: &[&str] = if operator == "exists" { &[] } else { &[&value] };
                let args = [&["c", name], values].concat();
                parse(&args).is_ok_and(|rule| rule.judge(claims.root(), &nginx).is_ok())
            };
            let contrary = format!("!{operator}");
            prop_assert!(!(is_met(operator) && is_met(&contrary)), "{} {}", operator, value);
        }
    }

    #[test]
    fn eq_is_equality_of_json(a in json(), b in json()) {
        let claims = format!("{{\"c\":{a:#}}}");
        let is_met = |operator, value: &Value| {
            judge(&claims, &["c", operator, &format!("json={value}")], &FakeNginx::default()) == "met"
        };
        prop_assert!(is_met("eq", &a) && !is_met("ne", &a));
        prop_assert_eq!(is_met("eq", &b), a == b);
        prop_assert_eq!(is_met("ne", &b), a != b);
    }

    #[test]
    fn any_rule_is_read_without_a_panic(
        name in "[.\\[\\]\"a0]{0,6}",
        operator in "!?(eq|any|match|exists|x)",
        values in prop::collection::vec("(json=|\\$|error=)?[\\[{\"a1$}\\]]{0,4}", 0..3),
    ) {
        let mut args = vec![name.as_str(), &operator];
        args.extend(values.iter().map(String::as_str));
        if let Ok(rule) = parse(&args) {
            let _ = rule.judge(document("{\"a\":[{\"a\":\"a\"}]}").root(), &FakeNginx::default());
        }
    }
}
