//! References, such as those in `Location`, that are relative to a URL (RFC 3986 section 5.2).

/// Whether a reference begins with a scheme.
pub(crate) fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else {
        return false;
    };
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_known)
}

/// The path and query that a reference without scheme and host leads to, from those of its base.
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    let (base_path, base_query) = split_query(base);
    let (path, query) = split_query(reference);
    if path.is_empty() {
        return join_query(base_path, query.or(base_query));
    }
    if path.starts_with('/') {
        return join_query(&without_dot_segments(path), query);
    }
    let folder = base_path.rsplit_once('/').map_or("", |(folder, _)| folder);
    join_query(&without_dot_segments(&format!("{folder}/{path}")), query)
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

fn join_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// An absolute path without `.` and `..`.
fn without_dot_segments(path: &str) -> String {
    let mut segments = Vec::new();
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut ends_in_folder = false;
    for segment in path.split('/') {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => (),
            ".." => _ = segments.pop(),
            segment => segments.push(segment),
        }
    }
    if ends_in_folder {
        segments.push("");
    }
    format!("/{}", segments.join("/"))
}
