//! A request as a kind of source may look at it: method, path, query, headers and the raw bytes of the body.

use http::HeaderMap;

/// A request, whole.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `POST`, but for kinds that are called otherwise.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// What follows the `?`, as it came.
    pub query: Option<&'a str>,
    /// The body as received.
    pub body: &'a [u8],
    headers: Option<&'a HeaderMap>,
}

impl<'a> Request<'a> {
    /// A request as it came in.
    #[must_use]
    pub fn new(parts: &'a http::request::Parts, body: &'a [u8]) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            body,
            headers: Some(&parts.headers),
        }
    }

    /// A body that was captured, without the request that it came in.
    #[must_use]
    pub const fn of_body(body: &'a [u8]) -> Self {
        Self {
            method: "POST",
            path: "",
            query: None,
            body,
            headers: None,
        }
    }

    /// The one value of a header; none if it is absent or there twice, since then nobody knows which one was meant.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut all = self.headers?.get_all(name).iter();
        let only = all.next()?;
        all.next().is_none().then(|| only.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_kind_may_sign_is_there() {
        let request = http::Request::post("/callbacks/a?b=c")
            .header("x-sign", "1")
            .header("twice", "1")
            .header("twice", "2");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let request = Request::new(&parts, b"raw");
        assert_eq!(
            (request.method, request.path, request.query),
            ("POST", "/callbacks/a", Some("b=c"))
        );
        assert_eq!(
            (request.header("X-Sign"), request.body),
            (Some(b"1".as_slice()), b"raw".as_slice())
        );
        assert_eq!(
            (request.header("twice"), request.header("none")),
            (None, None)
        );
    }
}
