//! Inheritance: which directives are in force in the innermost level.

use nginx_conf_reader::tree::ConfDirective;

use super::levels::Level;
use super::line::Names;

/// A directive that is in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForcedDirective<'a> {
    pub(super) directive: &'a ConfDirective,
    /// The name of the level that it is inherited from. `None`: it is of the innermost level.
    from: Option<&'a str>,
}

impl ForcedDirective<'_> {
    /// `auth_jwt_type nested, nginx.conf:31, inherited from server`
    pub(super) fn line(&self, names: &Names<'_>) -> String {
        self.line_with(names, self.directive.args())
    }

    /// The same with other arguments than those of the configuration.
    pub(super) fn line_with(&self, names: &Names<'_>, args: &[Vec<u8>]) -> String {
        let line = names.with_args(self.directive, args);
        match self.from {
            Some(level) => format!("{line}, inherited from {level}"),
            None => line,
        }
    }
}

/// The directives that are in force.
pub(super) struct InForce<'a> {
    levels: &'a [Level<'a>],
}

impl<'a> InForce<'a> {
    pub(super) fn new(levels: &'a [Level<'a>]) -> Self {
        Self { levels }
    }

    /// Whether tokens have to be signed and not encrypted: `auth_jwt_type`.
    pub(super) fn takes_signed_tokens(&self) -> bool {
        let kind = self.group(&["auth_jwt_type"]);
        kind.iter()
            .all(|forced| forced.directive.args() == [b"signed"])
    }

    /// The directives with one of these names in the innermost level that has any: a level that has
    /// one takes none of those further out.
    pub(super) fn group(&self, names: &[&str]) -> Vec<ForcedDirective<'a>> {
        self.group_with_depth(names)
            .map_or_else(Vec::new, |(_, group)| group)
    }

    /// The same, with how many levels are outside of that level.
    pub(super) fn group_with_depth(
        &self,
        names: &[&str],
    ) -> Option<(usize, Vec<ForcedDirective<'a>>)> {
        let innermost = self.levels.len().saturating_sub(1);
        let of = |(depth, level): (usize, &'a Level<'a>)| {
            let is_one = |it: &&ConfDirective| names.iter().any(|name| it.is(name));
            let found = level.block.block().iter().filter(is_one);
            let found = found.map(|directive| ForcedDirective {
                directive,
                from: (depth != innermost).then_some(level.name.as_str()),
            });
            (depth, found.collect::<Vec<_>>())
        };
        let mut levels = self.levels.iter().enumerate().rev().map(of);
        levels.find(|(_, group)| !group.is_empty())
    }
}
