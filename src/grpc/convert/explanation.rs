//! ExplainAccess between the wire and its use case.

use super::answers::{grant, named_principal, named_target, timestamp};
use super::fields::Fields;
use crate::app::{
    AccessAnswer, AccessExplanation, AppError, ExplainAccess, ExplainedPath, Obstacle,
    ObstacleKind, PathKind,
};
use crate::grpc::pb;

pub(in crate::grpc) fn explain_access(
    message: pb::ExplainAccessRequest,
) -> Result<ExplainAccess, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let user = fields.user("user", message.user);
    let target = fields.target("target", message.target);
    let max_age = fields.max_age("max_age", message.max_age);
    let as_of = fields.instant("as_of", message.as_of);
    if as_of.is_some() && max_age.is_some() {
        fields.refuse("max_age", "is not for a past time; leave it or `as_of` out");
    }
    let request = user.zip(target).map(|(user, target)| ExplainAccess {
        instance: message.instance,
        user,
        target,
        max_age,
        as_of,
    });
    fields.finish(request)
}

pub(in crate::grpc) fn explanation(explained: AccessExplanation) -> pb::ExplainAccessResponse {
    let answer = match explained.answer {
        AccessAnswer::Yes => pb::AccessAnswer::Yes,
        AccessAnswer::No => pb::AccessAnswer::No,
        AccessAnswer::Unknown => pb::AccessAnswer::Unspecified,
    };
    let completeness = if explained.unread.is_empty() {
        pb::Completeness::Complete
    } else {
        pb::Completeness::Partial
    };
    pb::ExplainAccessResponse {
        instance_arn: explained.instance_arn.to_string(),
        user: Some(named_principal(explained.user)),
        target: Some(named_target(explained.target)),
        answer: answer.into(),
        paths: explained.paths.into_iter().map(path).collect(),
        obstacles: explained.obstacles.into_iter().map(obstacle).collect(),
        unread: explained.unread,
        completeness: completeness.into(),
        as_of: Some(timestamp(explained.as_of)),
    }
}

fn path(path: ExplainedPath) -> pb::ExplainedPath {
    let (kind, group) = match path.kind {
        PathKind::Direct => (pb::AccessPath::Direct, None),
        PathKind::Group(group) => (pb::AccessPath::Group, Some(named_principal(group))),
        PathKind::OpenApplication => (pb::AccessPath::OpenApplication, None),
    };
    let provenance = path.provenance;
    let provenance = provenance.map_or(pb::Provenance::Unspecified, super::answers::provenance);
    pb::ExplainedPath {
        path: kind.into(),
        group,
        provenance: provenance.into(),
        external_owner: path.external_owner,
        grants: path.grants.into_iter().map(grant).collect(),
        grant_ids: path.grant_ids.iter().map(ToString::to_string).collect(),
    }
}

fn obstacle(obstacle: Obstacle) -> pb::AccessObstacle {
    let kind = match obstacle.kind {
        ObstacleKind::NotAssigned => pb::AccessObstacleKind::NotAssigned,
        ObstacleKind::UserDisabled => pb::AccessObstacleKind::UserDisabled,
        ObstacleKind::UserDeleted => pb::AccessObstacleKind::UserDeleted,
        ObstacleKind::ApplicationDisabled => pb::AccessObstacleKind::ApplicationDisabled,
        ObstacleKind::AccountInactive => pb::AccessObstacleKind::AccountInactive,
        ObstacleKind::GrantWaits => pb::AccessObstacleKind::GrantWaits,
        ObstacleKind::GrantOver => pb::AccessObstacleKind::GrantOver,
    };
    pb::AccessObstacle {
        kind: kind.into(),
        description: obstacle.description,
        grant: obstacle.grant.map(|view| grant(*view)),
    }
}
