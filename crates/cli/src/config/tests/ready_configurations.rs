//! The configurations in nginx-conf/.

use std::fs;
use std::path::Path;

use super::Folder;
use nginx_conf_reader::tree::{Tree, find};

/// A folder with all of them, and with an nginx.conf that includes one.
fn with(name: &str) -> Folder {
    let text = format!("http {{ include {name}; }}");
    // Whoever uses the configurations for introspection writes this file.
    let secret = ("introspection-client.conf", "");
    let folder = Folder::new(&format!("ready-{name}"), &[("nginx.conf", &text), secret]);
    for file in ready() {
        fs::copy(ready_folder().join(&file), folder.0.join(&file)).unwrap();
    }
    folder
}

fn ready_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nginx-conf")
}

fn ready() -> Vec<String> {
    let entries = fs::read_dir(ready_folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".conf")).collect()
}

#[test]
fn each_is_read() {
    let mut with_server = 0;
    for name in ready() {
        let folder = with(&name);
        let tree = Tree::read(&folder.0.join("nginx.conf"));
        let tree = tree.unwrap_or_else(|error| panic!("{error}"));
        let http = tree.http().unwrap();
        assert_ne!(http.block(), [], "{name}");
        if let Some(server) = find(http.block(), "server").next() {
            with_server += 1;
            let listen = server.find("listen").next().unwrap();
            let address = String::from_utf8(listen.args()[0].clone()).unwrap();
            let mut question = folder.question("/a");
            question.address = Some(address);
            let answer = folder.ask(&question);
            answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    // All but the one that is included in a location.
    assert_eq!(with_server, ready().len() - 1);
}

#[test]
fn an_api() {
    let folder = with("api-gateway.conf");
    let mut question = folder.question("/orders/1");
    question.method = "POST".into();
    let lines = folder.lines(&folder.ask(&question).unwrap());
    let in_force: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split(", api-gateway").next())
        .collect();
    assert_eq!(
        in_force,
        [
            "server",
            "location /orders/",
            "limit_except GET",
            "auth_jwt api",
            "auth_jwt_key_request /jwks",
            "auth_jwt_algorithms RS256 PS256 ES256 EdDSA",
            "auth_jwt_revocation_list_sub revoked-users.json",
            "auth_jwt_revocation_list_jti revoked-tokens.json",
            r#"auth_jwt_require_claim iss eq https://id.example.com"#,
            "auth_jwt_require_claim aud any https://api.example.com",
            "auth_jwt_require_claim exp exists",
            r"auth_jwt_require_claim sub match \A[^\x00-\x1f\x7f]+\z",
            r"auth_jwt_require_header typ match (?i)\A(application/)?at\+jwt\z",
            "auth_jwt_require_scope orders.write",
            "auth_jwt_phase preaccess",
            "auth_jwt_key_cache 10m stale=1h refresh=10s",
            "auth_jwt_log_level warn",
            "auth_jwt_upstream_header X-User sub",
            "auth_jwt_upstream_header X-Client client_id",
            "auth_jwt_upstream_header X-Roles .realm_access.roles as=json",
            "auth_jwt_strip on",
            "unread: auth_jwt_key_request /jwks",
        ]
    );
}
