//! Which source a path names: `/callbacks/{source}`, with the source's secret token behind it if it has one.

use crate::{callback::names::SourceName, config::Secret};
use subtle::ConstantTimeEq;

/// A path of a source.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) source: SourceName,
    pub(super) token: Option<Secret>,
}

/// The place of the source that this path is for. A wrong token and an unknown source are the same to whoever asks.
pub(super) fn find<'a>(routes: impl Iterator<Item = &'a Route>, path: &str) -> Option<usize> {
    let rest = path.strip_prefix("/callbacks/")?;
    let (source, token) = match rest.split_once('/') {
        Some((source, token)) => (source, Some(token)),
        None => (rest, None),
    };
    let mut routes = routes.enumerate();
    let (place, route) = routes.find(|(_, route)| route.source.as_str() == source)?;
    let admitted = match (&route.token, token) {
        (None, None) => true,
        (Some(right), Some(given)) => right.expose().as_bytes().ct_eq(given.as_bytes()).into(),
        _ => false,
    };
    admitted.then_some(place)
}

/// The source that a path names, whatever its token.
pub(super) fn named<'a>(
    mut routes: impl Iterator<Item = &'a Route>,
    path: &str,
) -> Option<&'a SourceName> {
    let name = path.strip_prefix("/callbacks/")?.split('/').next()?;
    let named = routes.find(|route| route.source.as_str() == name);
    named.map(|route| &route.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_needs_the_right_source_and_exactly_its_token() {
        let route = |name, token: Option<&str>| Route {
            source: SourceName::parse(name).unwrap(),
            token: token.map(Secret::new),
        };
        let routes = [route("open", None), route("shut", Some("s3cret"))];
        let place = |path| find(routes.iter(), path);
        assert_eq!(place("/callbacks/open"), Some(0));
        assert_eq!(place("/callbacks/shut/s3cret"), Some(1));
        for path in [
            "/",
            "/callbacks",
            "/callbacks/",
            "/callbacks/none",
            "/callbacks/open/",
            "/callbacks/open/x",
            "/callbacks/shut",
            "/callbacks/shut/",
            "/callbacks/shut/S3cret",
            "/callbacks/shut/s3cret/",
            "/callbacks/shut/s3cre",
            "//callbacks/open",
        ] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
