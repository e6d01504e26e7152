//! `auth_jwt_resource_metadata`: tells clients which issuers the tokens of a resource come from
//! (RFC 9728).

use std::rc::Rc;

use super::AuthJwt;
use crate::nginx::{
    Config, ConfigError, ContentResponse, Failure, Request, ResponseContent, Status, Text,
};
use policy::auth_jwt::resource_metadata::ResourceMetadata;

/// The arguments of `auth_jwt_resource_metadata`, and what is made of them.
pub(super) struct ResourceMetadataSetting {
    metadata: ResourceMetadata,
    /// The file and line of the directive.
    position: Rc<str>,
    /// The document, when levels are merged.
    document: String,
}

impl ResourceMetadataSetting {
    /// Reads the arguments of the directive.
    pub(super) fn read(cf: &mut Config<'_>) -> Result<Self, ConfigError> {
        let arguments = cf.args();
        let arguments = arguments.iter().map(|argument| &**argument);
        let metadata = ResourceMetadata::parse(arguments).map_err(|error| {
            ConfigError::message(format_args!("\"auth_jwt_resource_metadata\": {error}"))
        })?;
        if !metadata.is_https() && !metadata.is_local() {
            cf.warn(format_args!(
                "\"auth_jwt_resource_metadata\" has a resource of http: clients refuse it, and \
                 tokens go over the network in clear text; it should be of https"
            ));
        }
        cf.set_content_handler::<AuthJwt>()?;
        Ok(Self {
            metadata,
            position: cf.position().into(),
            document: String::new(),
        })
    }

    /// Makes the document, when it is known which issuers are trusted and whether the location has
    /// tokens judged.
    pub(super) fn finish<'a>(
        &mut self,
        issuers: impl IntoIterator<Item = &'a str>,
        is_judged: bool,
        cf: &Config<'_>,
    ) -> Result<(), ConfigError> {
        let position = &self.position;
        if !cf.is_content_handler::<AuthJwt>() {
            return Err(ConfigError::message(format_args!(
                "\"auth_jwt_resource_metadata\" in {position} has no effect: another directive of \
                 the location, such as proxy_pass, responds to the requests"
            )));
        }
        if is_judged {
            cf.warn(format_args!(
                "clients need a token to get the \"auth_jwt_resource_metadata\" in {position}, \
                 which tells them where to get one: write \"auth_jwt off\" in that location"
            ));
        }
        let mut issuers = issuers.into_iter().peekable();
        if issuers.peek().is_none() {
            cf.warn(format_args!(
                "\"auth_jwt_resource_metadata\" in {position} names no issuer: \"auth_jwt_trust\" \
                 is missing"
            ));
        }
        self.document = self.metadata.document(issuers);
        Ok(())
    }

    /// Responds to a request for the document.
    pub(super) fn respond<'r>(&self, request: Request<'r>) -> Result<ContentResponse<'r>, Failure> {
        let line = |name, value| (Text::from_static(name), Text::from_static(value));
        // The document is public, and read by pages of other origins.
        let origin = line(b"Access-Control-Allow-Origin", b"*");
        match request.method().bytes() {
            b"GET" | b"HEAD" => {
                // It changes with the configuration only.
                let lines = [origin, line(b"Cache-Control", b"max-age=600")];
                request.add_response_lines(lines.into_iter())?;
                let body = request.copy(self.document.as_bytes())?;
                let content = ResponseContent {
                    content_type: Text::from_static(b"application/json"),
                    encoding: Text::from_static(b""),
                    body,
                };
                Ok(ContentResponse::Response(Status::OK, content))
            }
            // A page asks beforehand if its request has a header such as MCP-Protocol-Version.
            b"OPTIONS" => {
                let lines = [
                    origin,
                    line(b"Access-Control-Allow-Methods", b"GET, HEAD"),
                    line(b"Access-Control-Allow-Headers", b"*"),
                    line(b"Access-Control-Max-Age", b"600"),
                ];
                request.add_response_lines(lines.into_iter())?;
                Ok(ContentResponse::Empty(Status::NO_CONTENT))
            }
            _ => {
                let lines = [origin, line(b"Allow", b"GET, HEAD, OPTIONS")];
                request.add_response_lines(lines.into_iter())?;
                Ok(ContentResponse::ErrorPage(Status::METHOD_NOT_ALLOWED))
            }
        }
    }
}
