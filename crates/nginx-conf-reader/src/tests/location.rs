//! Which location a path goes to.

use super::{Folder, tree};
use crate::location::{Found, choose};
use crate::tree::find;

/// The arguments of the locations that are chosen, with `>` between them.
fn ask(locations: &str, path: &str) -> Result<String, String> {
    let name = format!("location-{:p}", locations);
    let folder = Folder::new(
        &name,
        &[("nginx.conf", &format!("server {{\n{locations}\n}}"))],
    );
    let tree = folder.read().unwrap();
    let server = find(tree.directives(), "server").next().unwrap();
    let found = choose(server, path.as_bytes());
    let found = found.map_err(|error| folder.shorten(&error.to_string()))?;
    let args = |args: &[Vec<u8>]| String::from_utf8(args.join(&b' ')).unwrap();
    Ok(match found {
        Found::RedirectTo(location) => format!("301 {}", args(location.args())),
        Found::Locations(locations) => {
            let names = locations.iter().map(|location| args(location.args()));
            names.collect::<Vec<_>>().join(" > ")
        }
    })
}

#[test]
fn locations_that_nginx_refuses() {
    assert_eq!(
        ask("location != /a {}", "/a"),
        Err("invalid location modifier \"!=\" in nginx.conf:2".into())
    );
    assert_eq!(
        ask("location {}", "/a"),
        Err("invalid number of arguments in \"location\" directive in nginx.conf:2".into())
    );
    let error = ask("location ~ ( {}", "/a").unwrap_err();
    assert!(
        error.starts_with("cannot compile the regular expression \"(\": "),
        "{error}"
    );
}

#[test]
fn order_of_kinds() {
    let locations = "
        location / {}
        location /a {}
        location = /a/b {}
        location /a/ {}
        location ^~ /a/c/ {}
        location ~ \\.x$ {}
        location ~* \\.X$ {}
        location ~* ^/A/D {}
        location @named {}
        location =/glued {}
        location ^~/front {}
        location ~/r[0-9]$ {}
        location ~*/S$ {}";
    for (path, found) in [
        ("/", "/"),
        ("/b", "/"),
        ("/ab", "/a"),
        ("/a/b", "= /a/b"),
        ("/a/b/", "/a/"),
        ("/A", "/"),
        ("/a.x", "~ \\.x$"),
        ("/a.X", "~* \\.X$"),
        ("/a/c/.x", "^~ /a/c/"),
        ("/a/d", "~* ^/A/D"),
        ("/glued", "=/glued"),
        ("/front.x", "^~/front"),
        ("/r1", "~/r[0-9]$"),
        ("/s", "~*/S$"),
        ("@named", ""),
    ] {
        assert_eq!(ask(locations, path), Ok(found.into()), "{path}");
    }
    assert_eq!(ask("", "/"), Ok(String::new()));
}

#[test]
fn locations_inside_locations() {
    let locations = "
        location /a { location /a/b { location ~ z$ {} } location ~ x$ {} location ^~ /a/c {} location = /a/e {} }
        location ^~ /d { location /d/e {} location ~ y$ {} }
        location ~ x$ { location /a {} location ~ xx$ {} }
        location ~ y$ {}";
    for (path, found) in [
        ("/a", "/a"),
        ("/ax", "/a > ~ x$"),
        ("/a/b", "/a > /a/b"),
        ("/a/bz", "/a > /a/b > ~ z$"),
        ("/a/bx", "/a > ~ x$"),
        ("/a/by", "~ y$"),
        ("/a/cx", "~ x$ > /a"),
        ("/a/e", "/a > = /a/e"),
        ("/d/ey", "/d > ~ y$".replace("/d", "^~ /d").leak()),
        ("/d/ex", "^~ /d > /d/e"),
        ("/bxx", "~ x$ > ~ xx$"),
    ] {
        assert_eq!(ask(locations, path), Ok(found.into()), "{path}");
    }
}

#[test]
fn a_missing_slash_is_added_in_front_of_upstreams() {
    let locations = "
        location /a/ { proxy_pass http://x; }
        location /b/ { if ($x) { proxy_pass http://x; } }
        location /c/ { grpc_pass x; }
        location /c {}
        location = /d/ { fastcgi_pass x; }
        location ~ ^/e { location /e/ { proxy_pass http://x; } }
        location ~ ^/ {}";
    for (path, found) in [
        ("/a", "301 /a/"),
        ("/a/", "~ ^/"),
        ("/b", "~ ^/"),
        ("/c", "~ ^/"),
        ("/d", "301 = /d/"),
        ("/e", "301 /e/"),
    ] {
        assert_eq!(ask(locations, path), Ok(found.into()), "{path}");
    }
    assert_eq!(tree("empty", "").directives().len(), 0);
}
