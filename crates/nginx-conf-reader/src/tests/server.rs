//! Which server a request goes to.

use super::{Folder, tree};
use crate::listen::ListenAddress;
use crate::server::{AskedAddress, choose};
use crate::tree::ConfDirective;

/// The argument of `name` in the server that is chosen, and the name that fits.
fn ask(text: &str, target: &AskedAddress, host: Option<&str>) -> Result<String, String> {
    let folder = Folder::new(&format!("server-{:p}", text), &[("nginx.conf", text)]);
    let tree = folder.read().unwrap();
    let chosen = choose(tree.http().unwrap(), target, host);
    let chosen = chosen.map_err(|error| folder.shorten(&error.to_string()))?;
    let id = chosen
        .server
        .find("id")
        .next()
        .map_or(&[] as &[_], ConfDirective::args);
    let id = id.first().map_or(&[] as &[u8], Vec::as_slice);
    let name = chosen.name.map(|name| String::from_utf8(name).unwrap());
    Ok(format!(
        "{} {} at {}",
        String::from_utf8_lossy(id),
        name.as_deref().unwrap_or("default"),
        chosen.address
    ))
}

fn by_host(text: &str, host: &str) -> String {
    ask(text, &AskedAddress::Any, Some(host)).unwrap()
}

#[test]
fn questions_without_an_answer() {
    let two = "http { server { listen 80; id a; }\n server { listen 8080; id b; } }";
    assert_eq!(
        ask("http {}", &AskedAddress::Any, None),
        Err("the configuration has no server".into())
    );
    assert_eq!(
        ask(two, &AskedAddress::Port(81), None),
        Err("no server listens on port 81; there are 0.0.0.0:80, 0.0.0.0:8080".into())
    );
    assert_eq!(
        ask(two, &AskedAddress::Any, Some("x")),
        Err("the server depends on the address, which has to be named: nginx.conf:1 at 0.0.0.0:80, \
             nginx.conf:2 at 0.0.0.0:8080"
            .into())
    );
    for listen in ["x:y", "0", "70000", "[::", "unix:", "/a", "9-8", "80:80:80"] {
        let text = format!("http {{ server {{ listen {listen}; }} }}");
        let error = format!("invalid address \"{listen}\" in \"listen\" in nginx.conf:1");
        assert_eq!(ask(&text, &AskedAddress::Any, None), Err(error));
    }
    let regex = "http { server { server_name ~(; id a; } }";
    let error = ask(regex, &AskedAddress::Any, Some("x")).unwrap_err();
    assert!(
        error.starts_with("cannot compile the regular expression \"(\": "),
        "{error}"
    );
}

#[test]
fn the_address_comes_before_the_name() {
    let text = "http {
        server { listen 80; server_name x; id a; }
        server { listen 127.0.0.1:80; id b; }
        server { listen 127.0.0.1:80 default_server; listen [::1]:80; id c; }
        server { listen unix:/s; listen localhost:81; listen 8000-8002; id d; }
    }";
    let at = |address: &str| {
        let address = ListenAddress::parse(address.as_bytes()).unwrap();
        ask(text, &AskedAddress::One(address), Some("x"))
    };
    assert_eq!(at("127.0.0.1:80"), Ok("c default at 127.0.0.1:80".into()));
    assert_eq!(at("10.0.0.1:80"), Ok("a x at 0.0.0.0:80".into()));
    assert_eq!(at("[::1]:80"), Ok("c default at [::1]:80".into()));
    assert_eq!(at("unix:/s"), Ok("d default at unix:/s".into()));
    assert_eq!(at("localhost:81"), Ok("d default at localhost:81".into()));
    assert_eq!(at("8001"), Ok("d default at 0.0.0.0:8001".into()));
    assert_eq!(
        at("[::2]:80"),
        Err("no server listens on \"[::2]:80\"; there are 0.0.0.0:80, 127.0.0.1:80, [::1]:80, unix:/s, \
             localhost:81, 0.0.0.0:8000, 0.0.0.0:8001, 0.0.0.0:8002"
            .into())
    );
    assert_eq!(
        ask(text, &AskedAddress::Port(8002), None),
        Ok("d default at 0.0.0.0:8002".into())
    );
}

#[test]
fn names_by_their_kind() {
    let text = "http {
        server { server_name other; id 1; }
        server { server_name ~^b\\. ~^W; id 2; }
        server { server_name *.example.com; id 3; }
        server { server_name *.b.example.com .own.com; id 4; }
        server { server_name A.example.com \"\"; id 5; }
        server { server_name www.* a.example.* www.example.*; id 6; }
        server { server_name ~. a.example.com own.com; id 7; }
    }";
    for (host, found) in [
        ("a.example.com", "5 a.example.com"),
        ("A.EXAMPLE.COM.", "5 a.example.com"),
        ("", "5 "),
        ("b.example.com", "3 *.example.com"),
        ("a.b.example.com", "4 *.b.example.com"),
        ("c.a.example.com", "3 *.example.com"),
        ("example.com", "7 ~."),
        ("own.com", "4 .own.com"),
        ("x.own.com", "4 .own.com"),
        ("www.example.org", "6 www.example.*"),
        ("www.x.example.org", "6 www.*"),
        ("a.example.org", "6 a.example.*"),
        ("b.x", "2 ~^b\\."),
        ("www", "2 ~^W"),
        ("x", "7 ~."),
    ] {
        assert_eq!(
            by_host(text, host),
            format!("{found} at 0.0.0.0:80"),
            "{host}"
        );
    }
}

#[test]
fn hosts_without_a_server_go_to_the_default_one() {
    let text = "http { server { id a; } server { listen 80 default; id b; server_name b; } }";
    assert_eq!(by_host(text, "x"), "b default at 0.0.0.0:80");
    assert_eq!(by_host(text, "b"), "b b at 0.0.0.0:80");
    assert_eq!(by_host(text, ""), "a  at 0.0.0.0:80");
    let hostname = tree(
        "hostname",
        "http { server { server_name $HOSTNAME; id a; } }",
    );
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let chosen = choose(
        hostname.http().unwrap(),
        &AskedAddress::Any,
        Some(own.trim_end()),
    )
    .unwrap();
    assert_eq!(
        chosen.name,
        Some(own.trim_end().to_ascii_lowercase().into())
    );
}

#[test]
fn slashes_are_merged_as_the_server_says_that_reads_the_uri() {
    let merges = |text: &str| {
        let tree = tree(&format!("merge-{:p}", text), text);
        choose(tree.http().unwrap(), &AskedAddress::Any, Some("b"))
            .unwrap()
            .merges_slashes
    };
    assert!(merges("http { server { server_name b; } }"));
    assert!(!merges(
        "http { merge_slashes off; server { server_name b; } }"
    ));
    assert!(merges(
        "http { merge_slashes off; server { server_name b; merge_slashes on; } }"
    ));
    assert!(merges(
        "http { server {} server { server_name b; merge_slashes off; } }"
    ));
    assert!(!merges(
        "http { server { merge_slashes off; } server { server_name b; } }"
    ));
    let tls = "http { server { listen 443 ssl; } server { listen 443; server_name b; merge_slashes off; } }";
    assert!(!merges(tls));
}
