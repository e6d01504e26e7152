//! The command `nginx-auth`: says why a token is or is not accepted, shows what is in a key set,
//! makes keys and test tokens. It judges by the code of the module (jose and policy), and never
//! sends anything anywhere.

pub mod config;
pub mod demands;
pub mod input;
pub mod key_files;
pub mod local_rule;
pub mod verdict;
