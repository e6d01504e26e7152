//! The command `nginx-auth`.

fn main() {}
