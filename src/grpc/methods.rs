//! The methods that there are, read from the descriptors. A path is a caller's own text: it is
//! compared with these and never kept.

use prost_reflect::DescriptorPool;

/// A method of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Method {
    /// The service with its package, for example `usher.v1.GrantService`.
    pub(super) service: String,
    /// Its name.
    pub(super) name: String,
    /// What streams, in the words of gRPC's own metrics.
    pub(super) kind: &'static str,
}

impl Method {
    /// As a request's path has it.
    pub(super) fn path(&self) -> String {
        format!("/{}/{}", self.service, self.name)
    }
}

/// The methods of a compiled descriptor set. None of one that cannot be read, which is no set that
/// the build made.
pub(super) fn methods(descriptors: &[u8]) -> Vec<Method> {
    let pool = DescriptorPool::decode(descriptors).unwrap_or_default();
    let mut methods = Vec::new();
    for service in pool.services() {
        methods.extend(service.methods().map(|method| Method {
            service: service.full_name().to_owned(),
            name: method.name().to_owned(),
            kind: match (method.is_client_streaming(), method.is_server_streaming()) {
                (false, false) => "unary",
                (false, true) => "server_stream",
                (true, false) => "client_stream",
                (true, true) => "bidi_stream",
            },
        }));
    }
    methods
}
