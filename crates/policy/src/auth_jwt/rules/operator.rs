//! The operators of rules, and their names.

/// How a rule judges a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// It is this JSON value.
    Eq,
    /// It is greater.
    Gt,
    /// It is greater or the same.
    Ge,
    /// It is less.
    Lt,
    /// It is less or the same.
    Le,
    /// It is one of these values.
    In,
    /// One of its elements is one of these values.
    Any,
    /// Each of these values is one of its elements.
    All,
    /// It is a string in which a regular expression is found.
    Match,
    /// It is there.
    Exists,
}

impl Operator {
    /// What a configuration error says of other names.
    pub(super) const NAMES: &str = "it must be eq, gt, ge, lt, le, in, any, all, match or exists, \
                                    each with \"!\" in front for its contrary";

    /// The operator with this name, and whether the name means its contrary.
    pub(super) fn parse(name: &[u8]) -> Option<(Self, bool)> {
        let (name, has_mark) = match name.strip_prefix(b"!") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (operator, is_contrary) = match name {
            b"eq" => (Self::Eq, false),
            b"ne" => (Self::Eq, true),
            b"gt" => (Self::Gt, false),
            b"ge" => (Self::Ge, false),
            b"lt" => (Self::Lt, false),
            b"le" => (Self::Le, false),
            b"in" => (Self::In, false),
            b"nin" => (Self::In, true),
            b"any" | b"intersect" => (Self::Any, false),
            b"nintersect" => (Self::Any, true),
            b"all" => (Self::All, false),
            b"match" => (Self::Match, false),
            b"exists" => (Self::Exists, false),
            _ => return None,
        };
        Some((operator, is_contrary != has_mark))
    }

    /// Whether the operator takes several values.
    pub(super) fn takes_several(self) -> bool {
        matches!(self, Self::In | Self::Any | Self::All)
    }

    /// Whether the operator compares by order, and therefore only numbers and strings.
    pub(super) fn is_order(self) -> bool {
        matches!(self, Self::Gt | Self::Ge | Self::Lt | Self::Le)
    }
}
