//! Blocks and included files.

use std::fs;

use super::{Folder, tree};
use crate::tree::ConfDirective;

/// The directives in one line each, with the file and line of each.
fn shown(folder: &Folder, directives: &[ConfDirective]) -> Vec<String> {
    let mut lines = Vec::new();
    for directive in directives {
        let name = String::from_utf8_lossy(directive.name());
        let place = folder.shorten(&directive.place().to_string());
        lines.push(format!("{place} {name}"));
        lines.extend(shown(folder, directive.block()));
    }
    lines
}

#[test]
fn configurations_that_cannot_be_read() {
    let no_end = "unexpected end of file, expecting \"}\" in nginx.conf:2";
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("other", "")],
            "open() \"nginx.conf\" failed (2: No such file or directory)",
        ),
        (
            &[("nginx.conf", "a;\n\ninclude b;")],
            "open() \"b\" failed (2: No such file or directory) in nginx.conf:3",
        ),
        (
            &[("nginx.conf", "\ninclude b;"), ("b/c", "")],
            "open() \"b\" failed (21: Is a directory) in nginx.conf:2",
        ),
        (
            &[("nginx.conf", "include b;"), ("b", "\ninclude *.conf;")],
            "\"nginx.conf\" includes itself in b:2",
        ),
        (
            &[("nginx.conf", "include nginx.conf;")],
            "\"nginx.conf\" includes itself in nginx.conf:1",
        ),
        (
            &[("nginx.conf", "\ninclude /dev/zero;")],
            "open() \"/dev/zero\" failed (file too large) in nginx.conf:2",
        ),
        (&[("nginx.conf", "a {\n")], no_end),
        (
            &[("nginx.conf", "a {} }")],
            "unexpected \"}\" in nginx.conf:1",
        ),
        (
            &[("nginx.conf", "a {\ninclude b;\n}"), ("b", "\n}")],
            "unexpected \"}\" in b:2",
        ),
        (
            &[("nginx.conf", "a {\ninclude b;\n}"), ("b", "c {\n")],
            "unexpected end of file, expecting \"}\" in b:2",
        ),
        (
            &[("nginx.conf", "a {\nb \"c\"d; }")],
            "unexpected \"d\" in nginx.conf:2",
        ),
        (&[("nginx.conf", "access_by_lua_block { a = {\n")], no_end),
        (&[("nginx.conf", "access_by_lua_block { a = '}'\n")], no_end),
        (
            &[("nginx.conf", "include \"[[:alpha:]]*\";")],
            "cannot follow \"include\" of \"[[:alpha:]]*\": a backslash or a class in a pattern in \
             nginx.conf:1",
        ),
    ];
    for (n, (files, error)) in cases.iter().enumerate() {
        let folder = Folder::new(&format!("bad-{n}"), files);
        assert_eq!(
            folder.read().map(|_| ()),
            Err((*error).to_owned()),
            "{files:?}"
        );
    }
}

#[test]
fn blocks_may_not_be_inside_each_other_without_end() {
    let text = format!("{}{}", "a {".repeat(5000), "}".repeat(5000));
    let folder = Folder::new("deep", &[("nginx.conf", &text)]);
    let error = "too many blocks and files inside each other in nginx.conf:1".to_owned();
    assert_eq!(folder.read().map(|_| ()), Err(error));
}

#[test]
fn included_files_stand_where_they_are_included() {
    let folder = Folder::new(
        "include",
        &[
            (
                "nginx.conf",
                "a\n x;\nhttp {\n include conf.d/*.conf;\n include sub/**/?.x;\n b; }\ninclude c;",
            ),
            ("conf.d/2.conf", "two { include c; }"),
            ("conf.d/10.conf", "ten;"),
            ("conf.d/.hidden.conf", "hidden;"),
            ("conf.d/1.conf.bak", "bak;"),
            ("c", "\nc;"),
            ("sub/a/1.x", "a;"),
            ("sub/a-b/2.x", "a-b;"),
            ("sub/a/b/3.x", "deeper;"),
        ],
    );
    let tree = folder.read().unwrap();
    let expected = [
        "nginx.conf:2 a",
        "nginx.conf:3 http",
        "conf.d/10.conf:1 ten",
        "conf.d/2.conf:1 two",
        "c:2 c",
        "sub/a-b/2.x:1 a-b",
        "sub/a/1.x:1 a",
        "nginx.conf:6 b",
        "c:2 c",
    ];
    assert_eq!(shown(&folder, tree.directives()), expected);
    assert_eq!(tree.folder(), folder.0);
}

#[test]
fn lua_blocks_are_passed_over() {
    let lua = "access_by_lua_block {\n local a = { '}', \"\\\"}\", [[}]], [==[ }]] ]==] } -- } '\n --[[ } ]] b[1] = 2 \n}\nb;";
    let tree = tree("lua", lua);
    let names: Vec<_> = tree.directives().iter().map(ConfDirective::name).collect();
    assert_eq!(names, [b"access_by_lua_block" as &[u8], b"b"]);
    assert_eq!(tree.directives()[1].place().line, 5);
}

#[test]
fn one_block_of_http() {
    let http = |name: &str, text: &str| {
        let folder = Folder::new(name, &[("nginx.conf", text)]);
        let tree = folder.read().unwrap();
        let http = tree.http().map(|http| http.block().len());
        http.map_err(|error| folder.shorten(&error.to_string()))
    };
    assert_eq!(
        http("no-http", "a;"),
        Err(
            "there is no block \"http\": name nginx.conf itself, not a file that it includes"
                .into()
        )
    );
    let twice = "\"http\" directive is duplicate in nginx.conf:2";
    assert_eq!(http("two-http", "http {}\nhttp {}"), Err(twice.into()));
    assert_eq!(http("http", "http { a; b {} }"), Ok(2));
}

#[test]
fn the_bound_is_that_of_all_files_together() {
    let half = "\n".repeat((32 << 20) + 1);
    let files = [("nginx.conf", "include half;"), ("half", &*half)];
    let folder = Folder::new("bound", &files);
    assert_eq!(folder.read().map(|_| ()), Ok(()));
    fs::write(folder.0.join("nginx.conf"), "include half;\ninclude half;").unwrap();
    let error = "open() \"half\" failed (file too large) in nginx.conf:2";
    assert_eq!(folder.read().unwrap_err(), error);
}
