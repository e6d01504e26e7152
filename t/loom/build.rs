//! Has the files that src/lib.rs takes over use the atomics of loom.

fn main() {
    println!("cargo::rustc-cfg=loom");
}
