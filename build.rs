//! Tells the crate which nginx it is built against, and compiles the C shim with that nginx's own
//! headers and macros.

use std::path::Path;
use std::process::Command;
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

    // The tables for nginx's loader refer to the modules of this library. Without the flag, they refer
    // to those of another build that is still loaded when a reload names a new file.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");

    let (include, build_dir) = (nginx("INCLUDE")?, nginx("BUILD_DIR")?);
    let flags = layout_flags(&build_dir)?;
    check_bindgen_flags(&flags)?;
    compile_shim(&include, &flags);
    record_nginx(&include, &build_dir)
}

/// The flags that nginx was compiled with and that may change how C lays out a structure.
fn layout_flags(build_dir: &str) -> Result<Vec<String>, Box<dyn error::Error>> {
    const SCRIPT: &str = "scripts/layout-flags";
    println!("cargo::rerun-if-changed={SCRIPT}");
    let makefile = Path::new(build_dir).join("Makefile");
    println!("cargo::rerun-if-changed={}", makefile.display());
    let output = Command::new(SCRIPT).arg(makefile).output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{SCRIPT}: {error}").into());
    }
    let flags = String::from_utf8(output.stdout)?;
    Ok(flags.lines().map(String::from).collect())
}

/// nginx-sys hands only macros on to bindgen. Others have to be in the variable that bindgen itself
/// reads, or the layout of structures in Rust may be another one than nginx's.
fn check_bindgen_flags(flags: &[String]) -> Result<(), Box<dyn error::Error>> {
    const VARIABLE: &str = "BINDGEN_EXTRA_CLANG_ARGS";
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let given = env::var(VARIABLE).unwrap_or_default();
    let given: Vec<_> = given.split_whitespace().collect();
    let is_missing = |flag: &&str| !flag.starts_with("-D") && !given.contains(flag);
    let missing: Vec<_> = flags
        .iter()
        .map(String::as_str)
        .filter(is_missing)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "nginx was configured with flags that bindgen has to get as well: add \"{}\" to {VARIABLE} and \
         build again",
        missing.join(" ")
    )
    .into())
}

/// See the files for why each is in C.
fn compile_shim(include: &str, flags: &[String]) {
    let mut shim = cc::Build::new();
    let files = [
        "background.c",
        "bitfields.c",
        "net/event.c",
        "server.c",
        "shim.c",
    ];
    let for_tests = env::var_os("CARGO_FEATURE_FAULT_INJECTION").map(|_| "memory_faults.c");
    for file in files.into_iter().chain(for_tests) {
        let file = format!("src/nginx/{file}");
        println!("cargo::rerun-if-changed={file}");
        shim.file(file);
    }
    shim.includes(env::split_paths(include));
    shim.flags(flags);
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
