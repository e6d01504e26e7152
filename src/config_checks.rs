//! Warnings about a configuration that nginx accepts, and that does not check what its author
//! believes it checks.

use std::collections::HashSet;

use crate::nginx::{Config, Location, MergedConfig};
use crate::subrequest_uri::Uri;
use text::Quoted;

/// Warns of a `return` that answers the requests of a protected location before they are checked.
/// `directive` and `position` say what protects it. A redirect or an error shows nothing that is
/// protected, so that it counts only where the directive stands in the same location, in vain.
pub(crate) fn warn_of_return(cf: &Config<'_>, directive: &str, position: &str, is_own: bool) {
    let Some(location) = cf.location() else {
        return;
    };
    let Some(status) = location.unconditional_return(cf) else {
        return;
    };
    if is_own || (status < 300 && !location.is_internal()) {
        cf.warn(format_args!(
            "\"return {status}\" in {location} answers every request before \"{directive}\" in \
             {position} is checked; write \"{directive} off\" where that is meant"
        ));
    }
}

/// Warns of a requirement, such as `auth_jwt_require_scope`, in a location where the directive that
/// it belongs to is not in force, so that it is never asked. A server may have it for its locations.
pub(crate) fn warn_of_requirement_alone(cf: &Config<'_>, requirement: &str, directive: &str) {
    let place = match cf.location() {
        Some(location) if location.is_server() => return,
        Some(location) => location.to_string(),
        None => "a limit_except".into(),
    };
    cf.warn(format_args!(
        "\"{requirement}\" in {place} requires nothing without \"{directive}\", every request is served"
    ));
}

/// A directive that asks another location by a subrequest.
pub(crate) struct Question<'a> {
    pub(crate) directive: &'static str,
    pub(crate) uri: &'a Uri,
    pub(crate) from: Location<'a>,
}

/// What is wrong with a location that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The directive is in force there, too. nginx does not check subrequests, so that what the
    /// location serves is taken for the answer.
    AsksItself,
    /// Clients can request it.
    NotInternal,
}

/// Warns of locations that are asked and should not be, once for each.
pub(crate) fn warn_of_asked_locations<'a>(
    cf: &MergedConfig<'_, 'a>,
    questions: impl Iterator<Item = Question<'a>>,
    fault_of: impl Fn(Location<'a>) -> Option<Fault>,
) {
    let (mut known_questions, mut known) = (HashSet::new(), HashSet::new());
    for question in questions {
        let Question {
            directive,
            uri,
            from,
        } = question;
        // All locations of a server find the same one, and may be many that inherit the directive.
        let is_new = |path: &&'a [u8]| known_questions.insert((from.server(), *path));
        let path = uri.constant_path().filter(is_new);
        let Some(asked) = path.and_then(|path| from.find(path)) else {
            continue;
        };
        let Some(fault) = fault_of(asked).filter(|fault| known.insert((asked, *fault))) else {
            continue;
        };
        let path = uri.constant().map_or(&[][..], |uri| uri.bytes());
        let (uri, position) = (Quoted::whole(path), uri.position());
        match fault {
            Fault::AsksItself => cf.warn(format_args!(
                "\"{directive}\" in {position} asks {uri}, which reaches {asked}, where \
                 \"{directive}\" is in force, too, but not checked: what it serves lets requests \
                 in; name a location of its own, with \"internal\""
            )),
            Fault::NotInternal => cf.warn(format_args!(
                "\"{directive}\" in {position} asks {uri}, which reaches {asked}: clients can \
                 request it as well; name a location of its own, with \"internal\""
            )),
        }
    }
}

/// Warns of pages that `error_page` shows for a refusal and that are refused as well, once for each:
/// nginx shows its own page then. `is_checked` says where `directive` refuses.
pub(crate) fn warn_of_refused_pages<'a>(
    cf: &MergedConfig<'_, 'a>,
    directive: &str,
    is_checked: impl Fn(Location<'a>) -> bool,
) {
    const REFUSALS: [u16; 2] = [401, 403];
    let mut known = HashSet::new();
    let locations = cf.locations();
    for from in locations.into_iter().filter(|&from| is_checked(from)) {
        for status in REFUSALS {
            let Some(path) = from.error_page(status) else {
                continue;
            };
            // Nothing is checked where a `return` answers.
            let is_refused =
                |page: &Location<'a>| is_checked(*page) && cf.unconditional_return(*page).is_none();
            let Some(page) = from.find(path).filter(is_refused) else {
                continue;
            };
            if known.insert((page, path)) {
                cf.warn(format_args!(
                    "\"error_page {status}\" of {from} shows {}, which reaches {page}, where \
                     \"{directive}\" refuses the request again, so that nginx's own page is shown; \
                     write \"{directive} off\" in a location for that page",
                    Quoted::whole(path)
                ));
            }
        }
    }
}
