//! Whole answers.

use super::super::line::shown_word;
use super::{Folder, in_server};

#[test]
fn where_each_directive_comes_from() {
    let text = "
user nobody;
http {
    auth_jwt_leeway 30s;
    auth_jwt_key_file /keys/http.jwks;
    include conf.d/*.conf;
    server { listen 8081; }
}";
    let api = "server {
    listen 443 ssl;
    server_name api.example.com *.example.org;
    auth_jwt \"the api\";
    auth_jwt_key_file jwks.json;
    auth_jwt_key_file \"more keys.json\";
    auth_jwt_require_claim aud eq api;
    location /api/ {
        auth_jwt_require_scope read write;
        location ~ ^/api/admin/ {
            auth_jwt_require_claim roles any admin;
            auth_jwt_log_level notice;
            proxy_pass http://app;
        }
        limit_except GET { auth_jwt_require_claim write eq json=true; }
    }
    location /open/ { auth_jwt off; proxy_pass http://app; }
}";
    let folder = Folder::new("whole", &[("nginx.conf", text), ("conf.d/api.conf", api)]);
    let ask = |uri: &str, method: &str, host: &str| {
        let mut question = folder.question(uri);
        question.method = method.into();
        question.host = Some(host.into());
        folder.lines(&folder.ask(&question).unwrap())
    };
    assert_eq!(
        ask("/api//%61dmin/1?x", "GET", "www.example.org:443"),
        [
            "server, conf.d/api.conf:1, listens on 0.0.0.0:443, server_name *.example.org",
            "location /api/, conf.d/api.conf:8",
            "location ~ ^/api/admin/, conf.d/api.conf:10",
            "auth_jwt \"the api\", conf.d/api.conf:4, inherited from server",
            "auth_jwt_key_file /DIR/jwks.json, conf.d/api.conf:5, inherited from server",
            "auth_jwt_key_file \"/DIR/more keys.json\", conf.d/api.conf:6, inherited from server",
            "auth_jwt_leeway 30s, nginx.conf:4, inherited from http",
            "auth_jwt_require_claim roles any admin, conf.d/api.conf:11",
            "auth_jwt_require_scope read write, conf.d/api.conf:9, inherited from location /api/",
            "auth_jwt_log_level notice, conf.d/api.conf:12",
        ]
    );
    assert_eq!(
        ask("/api/x", "POST", "x:443")[..4],
        [
            "server, conf.d/api.conf:1, the default server of 0.0.0.0:443: no server_name there matches x",
            "location /api/, conf.d/api.conf:8",
            "limit_except GET, conf.d/api.conf:15",
            "auth_jwt \"the api\", conf.d/api.conf:4, inherited from server",
        ]
    );
    assert_eq!(
        ask("/api/x", "HEAD", "x:443")[2],
        "auth_jwt \"the api\", conf.d/api.conf:4, inherited from server"
    );
    assert_eq!(
        ask("/open/x", "GET", "x:443")[1..],
        [
            "location /open/, conf.d/api.conf:17",
            "auth_jwt off, conf.d/api.conf:17",
            "no check: \"auth_jwt\" is off here, so that no token is asked for",
        ]
    );
    assert_eq!(
        ask("/", "GET", "x:8081"),
        [
            "server, nginx.conf:7, the default server of 0.0.0.0:8081: no server_name there matches x",
            "no location of this server matches the URI",
            "not followed: an index file: nginx looks for its location again",
            "no check: \"auth_jwt\" is not in force here, so that no token is asked for",
        ]
    );
}

#[test]
fn answers_before_a_token_is_looked_at() {
    for (n, (directives, line)) in [
        ("return 301 /a;", "return 301 /a, nginx.conf:3: nginx answers with it"),
        ("location / { return 204; }", "return 204, nginx.conf:3: nginx answers with it"),
        (
            "location = / { internal; }",
            "internal, nginx.conf:3: clients get 404, and only what nginx itself redirects here is judged",
        ),
    ]
    .iter()
    .enumerate()
    {
        let lines = in_server(&format!("before-{n}"), &format!("{directives} auth_jwt a;")).unwrap();
        assert_eq!(*lines.last().unwrap(), format!("no check: {line}"));
    }
    let text = "http { server { location /a/ { auth_jwt a; proxy_pass http://b; } } }";
    let folder = Folder::new("slash", &[("nginx.conf", text)]);
    assert_eq!(
        folder.lines(&folder.ask(&folder.question("/a")).unwrap()),
        [
            "server, nginx.conf:1, the default server of 0.0.0.0:80",
            "no check: location /a/, nginx.conf:1: nginx redirects to the URI with a slash at its end",
        ]
    );
    let lines = in_server(
        "broken",
        "break; return 204; location / { auth_jwt off; proxy_pass x; }",
    )
    .unwrap();
    assert_eq!(
        *lines.last().unwrap(),
        "no check: \"auth_jwt\" is off here, so that no token is asked for"
    );
}

#[test]
fn what_is_not_followed() {
    let directives = "rewrite ^/b /c;
        if ($http_x) { return 403; }
        if ($http_y) { add_header a b; }
        satisfy any; allow 10.0.0.0/8; deny all; auth_basic x; auth_request /s; error_page 500 502 /e; error_page 401 /login;
        access_by_lua_block { if \"}\" }
        location / { rewrite ^/$ /x last; rewrite ^ /y; try_files $uri /z; auth_request off; auth_jwt off; }";
    let lines = in_server("not-followed", directives).unwrap();
    let lines: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("not followed: "))
        .collect();
    assert_eq!(
        lines,
        [
            "if, nginx.conf:4: whether it holds",
            "rewrite ^/$ /x last, nginx.conf:8: it matches this URI; ask with the one it leads to",
            "try_files $uri /z, nginx.conf:8: for where it leads to, nginx looks for a location again",
            "an index file: nginx looks for its location again",
            "access_by_lua_block, nginx.conf:7, inherited from server: what the code does",
            "allow 10.0.0.0/8, nginx.conf:6, inherited from server: the client's address",
            "deny all, nginx.conf:6, inherited from server: the client's address",
            "auth_basic x, nginx.conf:6, inherited from server: a password is asked for as well",
            "satisfy any, nginx.conf:6, inherited from server: another access module may let the request in \
             without a token",
            "error_page 401 /login, nginx.conf:6, inherited from server: it takes the place of a refusal",
        ]
    );
}

#[test]
fn satisfy_does_not_hold_in_the_preaccess_phase() {
    let satisfy = "satisfy any, nginx.conf:3, inherited from server: another access module may let the \
                   request in without a token";
    let ask = |name: &str, phase: &str| {
        let directives = format!("satisfy any; {phase} location / {{ proxy_pass http://a; }}");
        let lines = in_server(name, &directives).unwrap();
        lines.contains(&format!("not followed: {satisfy}"))
    };
    assert!(ask("satisfy", ""));
    assert!(ask("satisfy-access", "auth_jwt_phase access;"));
    assert!(!ask("satisfy-preaccess", "auth_jwt_phase preaccess;"));
}

#[test]
fn keys_that_no_file_has() {
    let directives = "auth_jwt a;
        auth_jwt_key_request /_jwks;
        auth_jwt_key_file $http_x.jwks;
        location = /_jwks { proxy_pass http://x; }
        location / { proxy_pass http://y; }";
    assert_eq!(
        in_server("unread", directives).unwrap()[2..],
        [
            "auth_jwt a, nginx.conf:3, inherited from server",
            "auth_jwt_key_request /_jwks, nginx.conf:4, inherited from server",
            "auth_jwt_key_file $http_x.jwks, nginx.conf:5, inherited from server",
            "unread: auth_jwt_key_request /_jwks, nginx.conf:4: the keys come from this URI",
            "unread: auth_jwt_key_file $http_x.jwks, nginx.conf:5: $http_x depends on the request",
        ]
    );
}

#[test]
fn words_are_shown_as_a_configuration_may_have_them() {
    for (word, shown) in [
        (r"\.php$", r"\.php$"),
        (r"^/(\d+)/\w", r"^/(\d+)/\w"),
        // nginx takes these for one backslash, a quotation mark, and a tab.
        (r"a\\b", r#""a\\\\b""#),
        (r#"a\"b"#, r#""a\\\"b""#),
        (r"a\tb", r#""a\\tb""#),
        // They would take the byte behind the word with them, or end it.
        (r"a\", r#""a\\""#),
        (r"\d{2}", r#""\\d{2}""#),
        ("$a", "$a"),
        ("", r#""""#),
    ] {
        assert_eq!(shown_word(word.as_bytes()), shown);
    }
}
