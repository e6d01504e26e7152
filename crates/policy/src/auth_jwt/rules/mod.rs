//! `auth_jwt_require_claim` and `auth_jwt_require_header`: rules on single values of a token, which
//! are read with the configuration and judged on JSON. Nothing in a rule depends on the text form
//! that a variable gives to a claim.

mod failure;
mod operand;
mod operator;
mod parse;
mod rule;

pub use failure::RuleFailure;
pub use parse::{RuleConfig, RuleError};
pub use rule::{Rule, RuleRequest};

#[cfg(test)]
mod tests;
