//! What a scripted fault can do to a call: the names that scripts use. Does nothing by itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a fault does to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultAction {
    /// ThrottlingException, nothing happens.
    Throttle,
    /// InternalServerException, HTTP 500.
    InternalError {
        /// Whether the effect happened all the same.
        #[serde(default)]
        after_effect: bool,
    },
    /// ConflictException: an earlier write has not propagated (aws-api.md §1). Nothing happens.
    Conflict,
    /// AccessDeniedException in AWS's words, nothing happens.
    AccessDenied,
    /// ExpiredTokenException, nothing happens.
    ExpiredCredentials,
    /// Any error.
    Error {
        /// `__type`.
        code: String,
        /// `Message`.
        message: String,
        /// 400 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        http_status: Option<u16>,
        /// Members beside the message.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        members: Map<String, Value>,
        /// Whether the effect happened all the same.
        #[serde(default)]
        after_effect: bool,
    },
    /// The connection ends without a reply and nothing happens.
    DropBeforeEffect,
    /// The effect happens and the connection ends without a reply.
    DropAfterEffect,
    /// The call waits, then happens.
    DelayBeforeEffect {
        /// How long.
        milliseconds: u64,
    },
    /// The call happens, its reply waits.
    DelayAfterEffect {
        /// How long.
        milliseconds: u64,
    },
    /// The connection ends now without a reply; the effect happens later.
    EffectLater {
        /// How much later.
        milliseconds: u64,
    },
    /// Reads show the state before this write for so long, instead of the settings' time.
    LateVisibility {
        /// How long.
        milliseconds: u64,
    },
    /// The account assignment operation that the call begins ends FAILED.
    AsyncFailed {
        /// `FailureReason`; absent is left out, as AWS does at times.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The account assignment operation that the call begins takes so long, instead of the
    /// settings' time.
    AsyncDelay {
        /// How long.
        milliseconds: u64,
    },
    /// The reply lacks members: names, with dots into structures and rows of lists
    /// (`Applications.Status`).
    OmitReplyMembers {
        /// Which.
        members: Vec<String>,
    },
    /// The reply's body is cut, with a length that fits the cut.
    TruncateReply {
        /// Bytes that remain.
        bytes: usize,
    },
}

impl FaultAction {
    /// As it is written in JSON and in the call log.
    pub fn kind(&self) -> &'static str {
        match self {
            FaultAction::Throttle => "throttle",
            FaultAction::InternalError { .. } => "internal_error",
            FaultAction::Conflict => "conflict",
            FaultAction::AccessDenied => "access_denied",
            FaultAction::ExpiredCredentials => "expired_credentials",
            FaultAction::Error { .. } => "error",
            FaultAction::DropBeforeEffect => "drop_before_effect",
            FaultAction::DropAfterEffect => "drop_after_effect",
            FaultAction::DelayBeforeEffect { .. } => "delay_before_effect",
            FaultAction::DelayAfterEffect { .. } => "delay_after_effect",
            FaultAction::EffectLater { .. } => "effect_later",
            FaultAction::LateVisibility { .. } => "late_visibility",
            FaultAction::AsyncFailed { .. } => "async_failed",
            FaultAction::AsyncDelay { .. } => "async_delay",
            FaultAction::OmitReplyMembers { .. } => "omit_reply_members",
            FaultAction::TruncateReply { .. } => "truncate_reply",
        }
    }

    /// Whether it bends an operation that ends after its call, and no other.
    pub(super) fn is_asynchronous(&self) -> bool {
        matches!(
            self,
            FaultAction::AsyncFailed { .. } | FaultAction::AsyncDelay { .. }
        )
    }
}
