//! What becomes of a request whose token is missing or bad: `auth_jwt_mode`.

use super::rejection::Rejection;

/// The values of `auth_jwt_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Requests without a valid token are refused.
    #[default]
    Required,
    /// Requests without any token are let in; those with a bad one are refused.
    Optional,
    /// No request is refused; `$jwt_status` and the log tell what would have been.
    Report,
    /// Tokens are not looked at, as with `auth_jwt off`.
    Off,
}

/// What becomes of a request that has been judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The request has met the condition, which is enough under `satisfy any`.
    Allow,
    /// The request is neither refused nor let in on account of its token: other access modules may
    /// still refuse it.
    Decline,
    /// The same, and the log says why the request would have been refused.
    DeclineAndLog,
    /// The request is refused.
    Refuse,
}

impl Mode {
    /// The mode with this name.
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"required" => Some(Self::Required),
            b"optional" => Some(Self::Optional),
            b"report" => Some(Self::Report),
            b"off" => Some(Self::Off),
            _ => None,
        }
    }

    /// The name of the mode.
    pub fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Report => "report",
            Self::Off => "off",
        }
    }

    /// What becomes of a request whose token was accepted, or rejected for this reason. A request
    /// that is let in without a valid token never satisfies `satisfy any`: that would open the
    /// location to everybody. In report mode not even a valid token does, because the mode must not
    /// change who gets in.
    pub fn outcome(self, rejection: Option<&Rejection>) -> Outcome {
        match (self, rejection) {
            (Self::Off, _) | (Self::Report, None) => Outcome::Decline,
            (Self::Required | Self::Optional, None) => Outcome::Allow,
            (Self::Report, Some(_)) => Outcome::DeclineAndLog,
            (Self::Optional, Some(Rejection::Missing)) => Outcome::Decline,
            (Self::Required | Self::Optional, Some(_)) => Outcome::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jose::Error;

    #[test]
    fn a_mode_has_one_name() {
        let modes = [Mode::Required, Mode::Optional, Mode::Report, Mode::Off];
        let names: [&[u8]; 4] = [b"required", b"optional", b"report", b"off"];
        for (mode, name) in modes.into_iter().zip(names) {
            assert_eq!(Mode::parse(name), Some(mode));
            assert_eq!(mode.name().as_bytes(), name);
        }
        let others: [&[u8]; 6] = [b"", b"on", b"Off", b"off ", b"0", b"requiredx"];
        for name in others {
            assert_eq!(Mode::parse(name), None, "{name:?}");
        }
        assert_eq!(Mode::default(), Mode::Required);
    }

    #[test]
    fn each_mode_has_its_outcomes() {
        use Outcome as O;
        let bad = Rejection::Token(Error::UnencodedPayload);
        let requirement = Rejection::Requirement {
            value: "$x".into(),
            status: 403,
        };
        let reasons = [
            None,
            Some(Rejection::Missing),
            Some(Rejection::SeveralTokens),
            Some(bad),
            Some(requirement),
            Some(Rejection::NoKeySource),
        ];
        let rows = [
            (
                Mode::Required,
                [
                    O::Allow,
                    O::Refuse,
                    O::Refuse,
                    O::Refuse,
                    O::Refuse,
                    O::Refuse,
                ],
            ),
            (
                Mode::Optional,
                [
                    O::Allow,
                    O::Decline,
                    O::Refuse,
                    O::Refuse,
                    O::Refuse,
                    O::Refuse,
                ],
            ),
            (
                Mode::Report,
                [
                    O::Decline,
                    O::DeclineAndLog,
                    O::DeclineAndLog,
                    O::DeclineAndLog,
                    O::DeclineAndLog,
                    O::DeclineAndLog,
                ],
            ),
            (Mode::Off, [O::Decline; 6]),
        ];
        for (mode, outcomes) in rows {
            for (reason, outcome) in reasons.iter().zip(outcomes) {
                assert_eq!(
                    mode.outcome(reason.as_ref()),
                    outcome,
                    "{mode:?} {reason:?}"
                );
            }
        }
    }
}
