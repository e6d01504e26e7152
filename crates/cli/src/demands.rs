//! What a location demands of a token: what `explain` judges by. It is made of command-line options
//! or of a configuration, and says the same as the directives that it names.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use jose::{SignatureCheck, TokenType};
use policy::auth_jwt::allowed_algorithms::AllowedAlgorithms;
use policy::auth_jwt::issuer::IssuerTerms;
use policy::auth_jwt::revocation::RevocationSubject;
use policy::auth_jwt::scopes::RequiredScopes;
use policy::auth_jwt::token_requirements::TokenRequirements;

use crate::local_rule::{KnownVariable, KnownVariables, LocalRule, Pattern};

/// What a location demands of a token. The default is what `auth_jwt` and a key file demand alone.
#[derive(Debug)]
pub struct Demands {
    /// `auth_jwt_type`
    pub token_type: TokenType,
    /// `auth_jwt_verify_signature`
    pub signature_check: SignatureCheck,
    /// `auth_jwt_compression`
    pub accepts_compression: bool,
    /// `auth_jwt_leeway`
    pub leeway: Duration,
    /// `auth_jwt_key_file`, in the order of the directives. With `trusted` they only decrypt.
    pub key_files: Vec<PathBuf>,
    /// `auth_jwt_trust`. `None`: the location does not have it.
    pub trusted: Option<Vec<IssuerDemands>>,
    /// `auth_jwt_algorithms`
    pub algorithms: Option<AllowedAlgorithms>,
    /// `auth_jwt_max_age`
    pub max_age: Option<Duration>,
    /// `auth_jwt_require_claim`
    pub claim_rules: Vec<LocalRule>,
    /// `auth_jwt_require_header`
    pub header_rules: Vec<LocalRule>,
    /// `auth_jwt_require_scope`
    pub scopes: Option<RequiredScopes>,
    /// The values of the variables in rules.
    pub variables: KnownVariables,
    /// `auth_jwt_revocation_list_sub` and its siblings
    pub revocation_lists: Vec<(RevocationSubject, PathBuf)>,
    /// The first value of `auth_jwt_require` that is empty or `0` for every request.
    pub unmet_requirement: Option<UnmetRequirement>,
    /// Where the token comes from.
    pub source: WhereToken,
    /// What the location demands besides, and nobody can judge without the request, such as
    /// `auth_jwt_require $is_office`: one line for each, shown behind the steps.
    pub not_judged: Vec<String>,
}

/// One issuer of `auth_jwt_trust`, as its `auth_jwt_issuer` has it.
#[derive(Debug)]
pub struct IssuerDemands {
    /// Everything in the block but its rules and its keys.
    pub terms: IssuerTerms,
    /// `require_claim`
    pub rules: Vec<LocalRule>,
    /// Files with the issuer's keys: `key_file`, or what the issuer publishes, saved in a file.
    pub key_files: Vec<PathBuf>,
}

/// A value of `auth_jwt_require` that is empty or `0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetRequirement {
    /// The value, as the configuration has it.
    pub value: Rc<str>,
    /// The status of the refusal.
    pub status: u16,
}

/// Where in a request the token is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WhereToken {
    /// Behind the scheme in the line `Authorization`.
    #[default]
    Authorization,
    /// In this variable, as in `token=$cookie_token`.
    Variable(String),
}

impl Default for Demands {
    fn default() -> Self {
        Self {
            token_type: TokenType::Signed,
            signature_check: SignatureCheck::Verify,
            accepts_compression: true,
            leeway: Duration::ZERO,
            key_files: Vec::new(),
            trusted: None,
            algorithms: None,
            max_age: None,
            claim_rules: Vec::new(),
            header_rules: Vec::new(),
            scopes: None,
            variables: KnownVariables::default(),
            revocation_lists: Vec::new(),
            unmet_requirement: None,
            source: WhereToken::Authorization,
            not_judged: Vec::new(),
        }
    }
}

impl Demands {
    /// What policy checks beyond signature and times.
    pub fn requirements(&self) -> TokenRequirements<'_, KnownVariable, Pattern> {
        TokenRequirements {
            algorithms: self.algorithms.as_ref(),
            max_age: self.max_age,
            claim_rules: &self.claim_rules,
            header_rules: &self.header_rules,
            scopes: self.scopes.as_ref(),
        }
    }
}
