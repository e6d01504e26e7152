//! Tells the crate which nginx it is built against, and compiles the C shim with that nginx's own
//! headers and macros.

use std::path::Path;
use std::{env, error, fs};

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(nginx_linked_headers, nginx_debug)");

    let nginx = |name: &str| {
        env::var(format!("DEP_NGINX_{name}")).map_err(|e| format!("DEP_NGINX_{name}: {e}"))
    };
    // Since 1.23.0 header lines of one name are a linked list (ngx_table_elt_t.next).
    if nginx("VERSION_NUMBER")?.parse::<u32>()? >= 1_023_000 {
        println!("cargo::rustc-cfg=nginx_linked_headers");
    }
    if nginx("FEATURES")?
        .split(',')
        .any(|feature| feature == "debug")
    {
        println!("cargo::rustc-cfg=nginx_debug");
    }

    // nginx-sys 0.5.0 gives the macros under the name "metadata" and with "cflags=" in front.
    compile_shim(
        &nginx("INCLUDE")?,
        &nginx("CFLAGS").or_else(|_| nginx("METADATA"))?,
    );
    record_nginx(&nginx("INCLUDE")?, &nginx("BUILD_DIR")?)
}

/// See the files for why each is in C.
fn compile_shim(include: &str, defines: &str) {
    let mut shim = cc::Build::new();
    for file in ["background.c", "bitfields.c", "shim.c"].map(|name| format!("src/nginx/{name}")) {
        println!("cargo::rerun-if-changed={file}");
        shim.file(file);
    }
    shim.includes(env::split_paths(include));
    let defines = defines.trim_start_matches("cflags=").split_whitespace();
    for define in defines.filter_map(|word| word.strip_prefix("-D")) {
        let (name, value) = define
            .split_once('=')
            .map_or((define, None), |(n, v)| (n, Some(v)));
        shim.define(name, value);
    }
    shim.compile("nginx_auth_shim");
}

/// Leaves a note of the nginx that was used, for `scripts/build` and for the test that checks the
/// shim.
fn record_nginx(include: &str, build_dir: &str) -> Result<(), Box<dyn error::Error>> {
    let source = env::split_paths(include)
        .find_map(|path| path.ends_with("src/core").then(|| path.join("../..")))
        .ok_or("no src/core among nginx's include folders")?
        .canonicalize()?;
    let note = Path::new(&env::var("OUT_DIR")?).join("nginx");
    fs::write(note, format!("{build_dir}\n{}\n", source.display()))?;
    Ok(())
}
