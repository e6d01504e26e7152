//! Variables that have the same value for all requests.

use policy::auth_jwt::mode::Mode;

use super::{Folder, TokenCheck, demands};

/// The mode in a location, as `$mode` has it.
fn mode(name: &str, http: &str, server: &str, location: &str) -> Option<Mode> {
    let text = format!(
        "http {{ {http} server {{ auth_jwt a; auth_jwt_key_file k; auth_jwt_mode $mode; {server}
         location /out {{ set $mode report; location /out/in {{ {location} }} }} }} }}"
    );
    let folder = Folder::new(name, &[("nginx.conf", &text)]);
    match folder.ask(&folder.question("/out/in")).unwrap().check {
        TokenCheck::Demands(found) => {
            let not_judged = "auth_jwt_mode $mode, nginx.conf:1: $mode depends on the request";
            assert_eq!(
                found.mode.is_none(),
                found.demands.not_judged == [not_judged]
            );
            found.mode
        }
        TokenCheck::None(_) => Some(Mode::Off),
    }
}

#[test]
fn values_of_set() {
    let optional = Some(Mode::Optional);
    assert_eq!(mode("set", "", "set $mode optional;", ""), optional);
    assert_eq!(
        mode("set-2", "", "set $a tional; set $MODE op${a};", ""),
        optional
    );
    assert_eq!(
        mode("set-3", "", "set $mode off;", "set $mode optional;"),
        optional
    );
    assert_eq!(mode("set-outer", "", "", ""), None);
    assert_eq!(mode("set-request", "", "set $mode $http_x;", ""), None);
    assert_eq!(
        mode(
            "set-if",
            "",
            "set $mode off; if ($http_x) { set $mode report; }",
            ""
        ),
        None
    );
    assert_eq!(
        mode(
            "set-service",
            "",
            "set $mode off; auth_request_set $mode $http_x;",
            ""
        ),
        None
    );
    assert_eq!(mode("set-itself", "", "set $mode $mode;", ""), None);
}

#[test]
fn values_of_map() {
    let optional = Some(Mode::Optional);
    let http = |map: &str| mode(&format!("map-{:p}", map), map, "set $s Text;", "");
    assert_eq!(http("map $http_x $mode { default optional; }"), optional);
    assert_eq!(
        http("map $http_x $mode { default optional; a report; }"),
        None
    );
    assert_eq!(
        http("map $s $mode { default report; text optional; ~t off; }"),
        optional
    );
    assert_eq!(
        http("map \"a$s\" $mode { default report; text off; ~Text$ optional; ~* off; }"),
        optional
    );
    assert_eq!(
        http("map $s $mode { default report; ~^text off; ~*^text optional; }"),
        optional
    );
    assert_eq!(
        http("map $s $mode { default $o; } map x $o { volatile; x optional; }"),
        optional
    );
    assert_eq!(
        http("map $s $mode { hostnames; default optional; text off; }"),
        None
    );
    assert_eq!(http("map $s $mode { ~( off; default optional; }"), None);
    assert_eq!(http("map $a $mode { default $mode; }"), None);
    assert_eq!(
        http("map $a $mode { default optional; } map $b $mode { b off; }"),
        None
    );
}

#[test]
fn requirements_of_constants() {
    let unmet = |name: &str, directives: &str| {
        let unmet = demands(name, directives).demands.unmet_requirement;
        unmet.map(|unmet| format!("{} {}", unmet.value, unmet.status))
    };
    assert_eq!(unmet("met", "set $a 1; auth_jwt_require $a;"), None);
    assert_eq!(
        unmet("zero", "set $a 0; auth_jwt_require $a $b error=403;"),
        Some("$a 403".into())
    );
    assert_eq!(
        unmet("empty", "set $a ''; set $b 1; auth_jwt_require $b ${a};"),
        Some("${a} 401".into())
    );
    assert_eq!(unmet("given", "auth_jwt_require $given;"), None);
    assert_eq!(
        demands("given", "auth_jwt_require $given;")
            .demands
            .not_judged,
        [] as [&str; 0]
    );
    assert_eq!(unmet("request", "auth_jwt_require $http_a;"), None);
}

#[test]
fn rules_with_variables() {
    let found = demands(
        "rules",
        "set $a b; auth_jwt_require_claim x eq $a; auth_jwt_require_claim y eq $http_y;
         auth_jwt_require_claim z eq text$;",
    );
    let rules: Vec<_> = found
        .demands
        .claim_rules
        .iter()
        .map(|rule| rule.text().to_string())
        .collect();
    assert_eq!(rules, [r#""x" eq "$a""#, r#""z" eq "text$""#]);
    assert_eq!(found.demands.variables.0["a"], b"b");
    assert_eq!(
        found.demands.not_judged,
        ["auth_jwt_require_claim y eq $http_y, nginx.conf:2: $http_y depends on the request"]
    );
}

/// The value that a variable has with a token, as the name of a key file shows it.
fn of_token(name: &str, token: &str, text: &str) -> Result<String, String> {
    let config = format!(
        "http {{ auth_jwt_claim_set $city address city; auth_jwt_header_set $Kind typ;
         server {{ auth_jwt a; {text} }} }}"
    );
    let folder = Folder::new(&format!("token-{name}"), &[("nginx.conf", &config)]);
    let answer = folder.ask_with(&folder.question("/a"), Some(token.as_bytes()))?;
    let TokenCheck::Demands(found) = answer.check else {
        panic!("no check");
    };
    match &found.demands.key_files[..] {
        [file] => Ok(folder.shorten(&file.display().to_string())),
        _ => Ok(found.unread_keys.join(" ")),
    }
}

#[test]
fn values_of_the_token() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let header = part(r#"{"alg":"HS256","typ":"JWT","kid":"k"}"#);
    let claims = part(
        r#"{"sub":"al\u0061","n":5,"a":["x","y"],"c":"\u0000","address":{"city":"B"},"d":".."}"#,
    );
    let token = format!("{header}.{claims}.AAAA");
    for (n, (name, value)) in [
        ("$jwt_claim_sub", "ala"),
        ("$JWT_CLAIM_SUB", "ala"),
        ("${jwt_claim_n}", "5"),
        ("$jwt_claim_a", "x,y"),
        ("x$jwt_claim_c", "x"),
        ("x$jwt_claim_none", "x"),
        ("$jwt_header_kid", "k"),
        ("$city", "B"),
        ("$kind", "JWT"),
    ]
    .iter()
    .enumerate()
    {
        let file = of_token(
            &format!("{n}"),
            &token,
            &format!("auth_jwt_key_file {name};"),
        );
        assert_eq!(file, Ok(format!("/DIR/{value}")), "{name}");
    }
    assert_eq!(
        of_token("none", "opaque", "auth_jwt_key_file x$jwt_claim_sub;"),
        Ok("/DIR/x".into())
    );
    let bearer = format!("Bearer {token}");
    assert_eq!(
        of_token("bearer", &bearer, "auth_jwt_key_file $city;"),
        Ok("/DIR/B".into())
    );
    assert_eq!(
        of_token(
            "encrypted",
            &token,
            "auth_jwt_type nested; auth_jwt_key_file $city;"
        ),
        Ok("auth_jwt_key_file $city, nginx.conf:2: $city depends on the request".into())
    );
    assert_eq!(
        of_token("unsafe", &token, "auth_jwt_key_file a/$jwt_claim_d;"),
        Err(
            "every request gets 500: the file name \"a/..\" contains \"..\" in /DIR/nginx.conf:2"
                .into()
        )
    );
}
