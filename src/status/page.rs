//! The page of `auth_status`.

use super::AuthStatus;
use super::main_conf::{MainConf, NamedGroup, Subject, TOKEN_CACHE_ENTRIES};
use crate::nginx::{ContentResponse, Failure, Request, ResponseContent, Status, Text};
use metrics::{Family, MetricKind, TEXT_CONTENT_TYPE};
use policy::counters::{ReadCounter, SourceKind, fetch_families, key_file_families, zone_families};

/// How the page shows the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageFormat {
    /// As the text that Prometheus reads.
    Text,
    Json,
}

/// Responds to a request for the page.
pub(super) fn respond<'r>(
    request: Request<'r>,
    format: PageFormat,
) -> Result<ContentResponse<'r>, Failure> {
    let line = |name, value| (Text::from_static(name), Text::from_static(value));
    if !matches!(request.method().bytes(), b"GET" | b"HEAD") {
        request.add_response_lines([line(b"Allow", b"GET, HEAD")].into_iter())?;
        return Ok(ContentResponse::ErrorPage(Status::METHOD_NOT_ALLOWED));
    }
    let families = families(request.main_conf::<AuthStatus>());
    let (content_type, body) = match format {
        PageFormat::Text => (TEXT_CONTENT_TYPE, metrics::text(&families)),
        PageFormat::Json => ("application/json", metrics::json(&families)),
    };
    request.add_response_lines([line(b"Cache-Control", b"no-store")].into_iter())?;
    let content = ResponseContent {
        content_type: Text::from_static(content_type.as_bytes()),
        encoding: Text::from_static(b""),
        body: request.copy(body.as_bytes())?,
    };
    Ok(ContentResponse::Response(Status::OK, content))
}

/// All that there is to show.
fn families(main: &MainConf) -> Vec<Family> {
    let mut build = Family::new(
        "nginx_auth_build_info",
        MetricKind::Gauge,
        "1, with the version of the module.",
    );
    build.push(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let mut since = Family::new(
        "nginx_auth_counters_created_timestamp_seconds",
        MetricKind::Gauge,
        "When the counters began at 0, in seconds since 1970.",
    );
    since.push(&[], main.counters.since());
    let mut tokens = Family::new(
        "nginx_auth_jwt_token_cache_entries",
        MetricKind::Gauge,
        "Tokens in the token caches of all workers.",
    );
    tokens.push(&[], main.counters.sum_of_gauge(TOKEN_CACHE_ENTRIES));
    let mut families = vec![build, since, tokens];
    families.extend(shown(main, Subject::Zone, zone_families));
    families.extend(shown(main, Subject::Issuer, |sources| {
        fetch_families(SourceKind::Issuer, sources)
    }));
    families.extend(shown(main, Subject::KeyRequest, |sources| {
        fetch_families(SourceKind::KeyRequest, sources)
    }));
    families.extend(shown(main, Subject::KeyFile, key_file_families));
    families
}

/// What `show` makes of the groups about this subject.
fn shown(
    main: &MainConf,
    subject: Subject,
    show: fn(&[(&str, ReadCounter<'_>)]) -> Vec<Family>,
) -> Vec<Family> {
    main.with_groups(subject, |groups| {
        let read = |named: &'_ NamedGroup| {
            let group = std::rc::Rc::clone(&named.group);
            move |counter| group.get(counter)
        };
        let readers: Vec<_> = groups.iter().map(|named| read(named)).collect();
        let groups = groups.iter().zip(&readers);
        let groups: Vec<_> = groups
            .map(|(named, read)| (&*named.name, read as ReadCounter<'_>))
            .collect();
        show(&groups)
    })
}
