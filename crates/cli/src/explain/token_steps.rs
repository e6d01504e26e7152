//! The steps from the text of a token to its verified claims.

use std::time::Duration;

use jose::{
    Error, JoseHeader, KeySet, Limits, SignatureCheck, TokenType, UnverifiedToken, VerifiedToken,
};
use policy::auth_jwt::rejection::Rejection;
use text::Quoted;

use super::claim_steps::{self, ShownToken};
use super::form;
use super::key_report::{Attempt, report};
use super::step::Steps;
use crate::demands::{Demands, IssuerDemands};
use crate::key_files::{DemandedFiles, KeyFileText, merge};
use crate::printable::shortened;
use crate::times::Clock;
use crate::verdict::{choose_issuer, lacks_keys};

/// How many characters of a header or of claims are shown.
const MAX_JSON: usize = 1000;

const VERIFIES: [&str; 2] = ["made the signature", "but did not make the signature"];
const DECRYPTS: [&str; 2] = ["decrypts the token", "but does not decrypt the token"];

/// What the steps have in common.
struct StepMaker<'a> {
    demands: &'a Demands,
    files: &'a DemandedFiles,
    clock: &'a Clock,
}

/// Adds all steps of a token.
pub fn add(
    text: &[u8],
    demands: &Demands,
    files: &DemandedFiles,
    clock: &Clock,
    steps: &mut Steps,
) {
    let judge = StepMaker {
        demands,
        files,
        clock,
    };
    if let Some(token) = judge.form(text, steps) {
        judge.token(&token, steps);
    }
}

impl StepMaker<'_> {
    /// The token, if the text has the form of one, or contains one.
    fn form(&self, text: &[u8], steps: &mut Steps) -> Option<UnverifiedToken> {
        let parse =
            |text: &[u8]| UnverifiedToken::parse(text, self.demands.token_type, &Limits::default());
        let what = form::describe(text);
        let error = match parse(text) {
            Ok(token) => {
                steps.pass("form", what);
                return Some(token);
            }
            Err(error) => error,
        };
        steps.refuse("form", format!("{what}: {error}"), Rejection::Token(error));
        let (token, removed) = form::repair(text)?;
        let token = parse(&token).ok()?;
        let removed = removed.join(", ");
        steps.details([format!(
            "the steps below are about the token without {removed}"
        )]);
        Some(token)
    }

    fn token(&self, token: &UnverifiedToken, steps: &mut Steps) {
        let is_usable = self.header(token, steps);
        match self.demands.token_type {
            TokenType::Signed => self.signed(token, is_usable, steps),
            TokenType::Encrypted | TokenType::Nested if !is_usable => no_search(steps),
            TokenType::Encrypted => self.encrypted(token, steps),
            TokenType::Nested => self.nested(token, steps),
        }
    }

    /// The header, its algorithms and extensions, and compression. Returns whether keys can be
    /// found by it.
    fn header(&self, token: &UnverifiedToken, steps: &mut Steps) -> bool {
        let header = token.header();
        steps.note("header", json(header.object().raw()));
        // Times are for another step.
        let checked = token.check_without_keys(self.clock.now, Duration::MAX);
        let checked = match checked {
            Err(Error::NotNumericDate { .. }) => Ok(()),
            checked => checked,
        };
        let is_usable = checked.is_ok();
        steps.check("algorithm", algorithms(header), checked);
        if header.zip().is_some() {
            let refused = Err(Rejection::Compressed);
            let checked = if self.demands.accepts_compression {
                Ok(())
            } else {
                refused
            };
            steps.check("compression", "the content is compressed", checked);
        }
        self.allowed_algorithm(header, steps);
        is_usable
    }

    fn allowed_algorithm(&self, header: &JoseHeader, steps: &mut Steps) {
        if self.demands.algorithms.is_none() {
            return;
        }
        let requirements = self.demands.requirements();
        let (now, leeway) = (self.clock.now, self.demands.leeway);
        let checked = requirements.check_without_keys(header, None, now, leeway);
        let alg = Quoted::new(header.alg());
        steps.check(
            "algorithms",
            format!("{alg} by auth_jwt_algorithms"),
            checked,
        );
    }

    /// `has_usable_header` tells whether keys can be found by the header.
    fn signed(&self, token: &UnverifiedToken, has_usable_header: bool, steps: &mut Steps) {
        let issuer = self.issuer(token, steps);
        if let Some(claims) = token.claims() {
            claim_steps::times(
                claims,
                issuer.map(|(issuer, _)| issuer),
                self.demands,
                self.clock,
                steps,
            );
        }
        let verified = match has_usable_header {
            true => self.signature(token, issuer.map(|(_, files)| files), steps),
            false => {
                no_search(steps);
                None
            }
        };
        if let Some(claims) = token.claims() {
            self.content(token.header(), claims, verified.as_ref(), issuer, steps);
        }
    }

    fn encrypted(&self, token: &UnverifiedToken, steps: &mut Steps) {
        let attempt = |keys: &KeySet| Attempt::of(token.authenticate(keys, SignatureCheck::Verify));
        let result = self.decryption(steps, attempt, |keys| {
            token.authenticate(keys, SignatureCheck::Verify)
        });
        let Some(authentic) = result else { return };
        let Ok(verified) = authentic.valid_at(self.clock.now, Duration::MAX) else {
            return;
        };
        let claims = verified.claims();
        claim_steps::times(claims, None, self.demands, self.clock, steps);
        self.content(verified.header(), claims, Some(&verified), None, steps);
    }

    fn nested(&self, token: &UnverifiedToken, steps: &mut Steps) {
        let attempt = |keys: &KeySet| Attempt::of(token.open(keys));
        let Some(opened) = self.decryption(steps, attempt, |keys| token.open(keys)) else {
            return;
        };
        let (Some(header), Some(claims)) = (opened.inner_header(), opened.claims()) else {
            return;
        };
        steps.note(
            "header",
            format!(
                "of the signed token inside: {}",
                json(header.object().raw())
            ),
        );
        self.allowed_algorithm(header, steps);
        let issuer = self.issuer(&opened, steps);
        claim_steps::times(
            claims,
            issuer.map(|(issuer, _)| issuer),
            self.demands,
            self.clock,
            steps,
        );
        let verified = self.signature(&opened, issuer.map(|(_, files)| files), steps);
        self.content(header, claims, verified.as_ref(), issuer, steps);
    }

    /// What decryption gives, by `decrypt`. `attempt` tries the keys one by one.
    fn decryption<T>(
        &self,
        steps: &mut Steps,
        attempt: impl Fn(&KeySet) -> Attempt,
        decrypt: impl Fn(&KeySet) -> Result<T, Error>,
    ) -> Option<T> {
        if lacks_keys(self.demands) {
            steps.skip("keys", "there are none");
            return None;
        }
        let keys = match merge(&self.files.own) {
            Ok(keys) => keys,
            Err(rejection) => {
                steps.refuse("keys", rejection.to_string(), rejection);
                return None;
            }
        };
        let report = report(&self.files.own, attempt, DECRYPTS);
        let candidates = count(report.candidates);
        match decrypt(&keys) {
            Ok(content) => {
                steps.pass("keys", candidates);
                steps.details(report.lines);
                steps.pass("decryption", "one of the keys decrypts the token");
                Some(content)
            }
            Err(error @ Error::UnknownKey { .. }) => {
                steps.refuse("keys", &error, Rejection::Token(error.clone()));
                steps.details(report.lines);
                steps.skip("decryption", "there is no key to try");
                None
            }
            Err(error @ (Error::DecryptionFailed { .. } | Error::NoRandomness)) => {
                steps.pass("keys", candidates);
                steps.details(report.lines);
                steps.refuse("decryption", &error, Rejection::Token(error.clone()));
                steps.details(untried(report.successes));
                None
            }
            Err(error) => {
                steps.pass("keys", candidates);
                steps.details(report.lines);
                steps.pass("decryption", "one of the keys decrypts the token");
                steps.refuse("content", &error, Rejection::Token(error.clone()));
                None
            }
        }
    }

    /// The verified token. `files` are those of the token's issuer where issuers are trusted.
    fn signature(
        &self,
        token: &UnverifiedToken,
        files: Option<&[KeyFileText]>,
        steps: &mut Steps,
    ) -> Option<VerifiedToken> {
        let files = match (&self.demands.trusted, files) {
            (None, _) => &*self.files.own,
            (Some(_), Some(files)) => files,
            (Some(_), None) => {
                steps.skip("keys", "the issuer would say which keys to try");
                return None;
            }
        };
        let check = self.demands.signature_check;
        let valid = |result: Result<jose::AuthenticToken, Error>| {
            result.and_then(|token| token.valid_at(self.clock.now, Duration::MAX))
        };
        if check == SignatureCheck::Believe {
            steps.note("signature", "not checked, by auth_jwt_verify_signature off");
            return valid(token.authenticate(&KeySet::default(), check)).ok();
        }
        if lacks_keys(self.demands) {
            steps.skip("keys", "there are none");
            return None;
        }
        let keys = match merge(files) {
            Ok(keys) => keys,
            Err(rejection) => {
                steps.refuse("keys", rejection.to_string(), rejection);
                return None;
            }
        };
        let attempt = |keys: &KeySet| Attempt::of(token.authenticate(keys, check));
        let report = report(files, attempt, VERIFIES);
        let candidates = count(report.candidates);
        match token.authenticate(&keys, check) {
            Err(error @ Error::UnknownKey { .. }) => {
                steps.refuse("keys", &error, Rejection::Token(error.clone()));
                steps.details(report.lines);
                steps.skip("signature", "there is no key to try");
                None
            }
            Err(error @ Error::BadSignature { .. }) => {
                steps.pass("keys", candidates);
                steps.details(report.lines);
                steps.refuse("signature", &error, Rejection::Token(error.clone()));
                steps.details(untried(report.successes));
                None
            }
            Err(error) if concerns_inner_header(&error) => {
                steps.refuse("algorithm", &error, Rejection::Token(error.clone()));
                no_search(steps);
                None
            }
            // What is wrong with the times is said by their own steps.
            result => {
                steps.pass("keys", candidates);
                steps.details(report.lines);
                steps.pass("signature", "made by one of the keys");
                valid(result).ok()
            }
        }
    }

    /// The issuer of a token and its files, where issuers are trusted.
    fn issuer(
        &self,
        token: &UnverifiedToken,
        steps: &mut Steps,
    ) -> Option<(&IssuerDemands, &[KeyFileText])> {
        let trusted = self.demands.trusted.as_deref()?;
        let claims = token.claims()?;
        match choose_issuer(trusted, self.files, claims.object()) {
            Ok((issuer, files)) => {
                let iss = Quoted::new(&*issuer.terms.issuer);
                steps.pass("issuer", format!("iss {iss} is trusted"));
                Some((issuer, files))
            }
            Err(rejection) => {
                steps.refuse("issuer", rejection.to_string(), rejection);
                None
            }
        }
    }

    /// The claims, and what is required of them and of the header.
    fn content(
        &self,
        header: &JoseHeader,
        claims: &jose::Claims,
        verified: Option<&VerifiedToken>,
        issuer: Option<(&IssuerDemands, &[KeyFileText])>,
        steps: &mut Steps,
    ) {
        steps.note("claims", json(claims.json()));
        let content = ShownToken {
            header,
            claims,
            verified,
        };
        let issuer = issuer.map(|(issuer, _)| issuer);
        claim_steps::requirements(&content, issuer, self.demands, self.files, steps);
    }
}

/// JSON as a step shows it.
pub fn json(text: &str) -> String {
    shortened(&text::compact_json(text), MAX_JSON)
}

fn algorithms(header: &JoseHeader) -> String {
    let alg = Quoted::new(header.alg());
    match header.enc() {
        None => format!("alg {alg}"),
        Some(enc) => format!("alg {alg}, enc {}", Quoted::new(enc)),
    }
}

fn no_search(steps: &mut Steps) {
    steps.skip("keys", "no key can be found by this header");
}

/// Whether the header inside a nested token is why no key is tried.
fn concerns_inner_header(error: &Error) -> bool {
    matches!(
        error,
        Error::CriticalMalformed
            | Error::CriticalUnsupported { .. }
            | Error::UnencodedPayload
            | Error::UnsupportedAlgorithm { .. }
    )
}

fn count(candidates: usize) -> String {
    match candidates {
        1 => "1 key fits the header".to_owned(),
        count => format!("{count} keys fit the header"),
    }
}

/// What to say if a key does it alone, but not among the others.
fn untried(successes: usize) -> Option<String> {
    (successes > 0).then(|| {
        "a key of the set would do, but it is not among those that are tried: at most 16, less if \
         they are slow"
            .to_owned()
    })
}
