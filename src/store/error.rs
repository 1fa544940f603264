//! What can go wrong in the store, and what the caller does about it.

/// A failed transaction. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A caller's write came between reading and writing: read again and decide again.
    #[error("the record changed meanwhile")]
    Stale,
    /// Another holder has the claim: stop without a further step.
    #[error("the lease is somebody else's")]
    LeaseLost,
    /// Others wrote the same at the same time, or the connection was lost, before a commit: nothing was written. The
    /// store carries a write out again, so that only a read ends so; its caller does as for `Unavailable`.
    #[error("the transaction was cut short: {0}")]
    Raced(String),
    /// The store does not answer. The text is for the log, never for a caller.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// What is stored cannot be read as what it should be. The text is for the log.
    #[error("the store holds what this version cannot read: {0}")]
    Corrupt(String),
    /// The data directory cannot be used. The text is a sentence for the operator.
    #[error("{0}")]
    Unusable(String),
}
