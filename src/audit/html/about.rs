//! What a page says of the question that it answers: known before the first row.

use jiff::Timestamp;

use super::super::question::{ReportRequest, Scope, TargetScope};
use crate::domain::report::View;
use crate::domain::{Instance, PrincipalKind};

/// The question of a report, as its page tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) struct About {
    pub(super) view: View,
    /// The instances, in the order of their rows.
    pub(super) instances: Vec<InstanceLine>,
    /// The part of them that was asked for; all of them without.
    pub(super) scope: Option<String>,
    /// When the report began: every fact in it is younger.
    pub(super) started_at: Timestamp,
    pub(super) records: Records,
    /// Whether the rows are what changed.
    pub(super) is_compared: bool,
}

/// An instance in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InstanceLine {
    pub(super) arn: String,
    /// Its alias, or its name in AWS, or the end of its ARN.
    pub(super) label: String,
}

/// Whether Usher's own records stand behind the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) enum Records {
    /// The store of a server was asked.
    Kept,
    /// The report was made without a store: it can know of no grant.
    Absent,
}

impl About {
    /// What a page says of a request that began at this time.
    pub(in crate::audit) fn of(
        request: &ReportRequest,
        started_at: Timestamp,
        records: Records,
    ) -> Self {
        let instances = request.instances.iter().map(|read| &read.instance);
        Self {
            view: request.view,
            instances: instances.map(InstanceLine::of).collect(),
            scope: scope(&request.scope),
            started_at,
            records,
            is_compared: request.compared.is_some(),
        }
    }

    /// The words for a row's instance, where there are several to be told apart.
    pub(super) fn label_among_several<'a>(&'a self, arn: &'a str) -> Option<&'a str> {
        if self.instances.len() < 2 {
            return None;
        }
        let line = self.instances.iter().find(|line| line.arn == arn);
        Some(line.map_or(arn, |line| &line.label))
    }
}

impl InstanceLine {
    fn of(instance: &Instance) -> Self {
        let arn = instance.arn.to_string();
        let name = (instance.alias.clone()).unwrap_or_else(|| instance.name.clone());
        let end = arn.rsplit('/').next().unwrap_or(&arn).to_owned();
        Self {
            label: if name.trim().is_empty() { end } else { name },
            arn,
        }
    }
}

fn scope(scope: &Scope) -> Option<String> {
    let principal = (scope.principal.as_ref())
        .map(|principal| format!("{} {}", kind(principal.kind), principal.id));
    let target = scope.target.as_ref().map(|target| match target {
        TargetScope::Application(arn) => format!("application {arn}"),
        TargetScope::KnownApplication(application) => {
            format!("application {}", application.value.arn)
        }
        TargetScope::AccountAccess(scope) => {
            let access = &scope.access;
            format!("account {} with {}", access.account, access.permission_set)
        }
    });
    let parts: Vec<String> = principal.into_iter().chain(target).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn kind(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "user",
        PrincipalKind::Group => "group",
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{
        instance, one_access, other_instance, request_about, the_user,
    };
    use super::*;

    #[test]
    fn a_page_names_its_part_of_the_instances_and_tells_several_apart() {
        let named = Instance {
            name: "production".to_owned(),
            ..other_instance(7)
        };
        let scope = Scope {
            principal: Some(the_user(1)),
            target: Some(one_access(2, 3)),
        };
        let request = request_about(vec![instance(), named], View::Access, scope);
        let about = About::of(&request, Timestamp::UNIX_EPOCH, Records::Kept);
        let scope = about.scope.as_deref().unwrap();
        assert!(scope.starts_with("user ") && scope.contains(", account 000000000002 with arn:"));
        let labels = ["ssoins-1234567890abcdef", "production"];
        for (line, label) in about.instances.iter().zip(labels) {
            assert_eq!(about.label_among_several(&line.arn), Some(label));
        }
        let alone = About {
            instances: about.instances.into_iter().take(1).collect(),
            ..About::of(&request, Timestamp::UNIX_EPOCH, Records::Absent)
        };
        assert_eq!(alone.label_among_several("arn:any"), None);
    }
}
