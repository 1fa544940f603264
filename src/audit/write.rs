//! Writes what was read as the rows of the view, and sums it up.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::accounts::Accounts;
use super::answer::{Part, RunError, Summary};
use super::collection::{Collection, Missing};
use super::findings::{self, Together};
use super::format::Encoder;
use super::html::{About, PageRow};
use super::people::People;
use super::question::ReportRequest;
use super::report::Rows;
use super::run::Read;
use crate::domain::Operation;
use crate::domain::report::{DuplicateUserRow, Finding, FindingRow, InstanceRow, Reach, Row, View};
use crate::identity_center::UnreachableAccount;

/// Writes one report.
pub(super) struct Writer<'a> {
    request: &'a ReportRequest,
    accounts: &'a Accounts<'a>,
    sink: &'a mpsc::Sender<Part>,
    form: Form,
    summary: Summary,
    missing: BTreeSet<Missing>,
}

/// The rows of the view.
enum Form {
    Assigned(Encoder<Row>),
    Instances(Encoder<InstanceRow>),
    DuplicateUsers(Encoder<DuplicateUserRow>, People),
    /// With the people of several instances, who are found when all are read.
    Findings(Encoder<FindingRow>, Option<Together>),
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        request: &'a ReportRequest,
        accounts: &'a Accounts<'a>,
        sink: &'a mpsc::Sender<Part>,
        about: &About,
    ) -> Result<Self, RunError> {
        let format = request.format;
        let form = match request.view {
            View::Access | View::Assignments => Form::Assigned(Encoder::new(format, about)?),
            View::Instances => Form::Instances(Encoder::new(format, about)?),
            View::DuplicateUsers => {
                Form::DuplicateUsers(Encoder::new(format, about)?, People::default())
            }
            // What changed is written by `changes`.
            View::Findings | View::Changes => {
                let people = (request.instances.len() > 1).then(Together::default);
                Form::Findings(Encoder::new(format, about)?, people)
            }
        };
        Ok(Self {
            request,
            accounts,
            sink,
            form,
            summary: Summary::default(),
            missing: BTreeSet::new(),
        })
    }

    /// Takes what was read of the next instance and writes its rows, where they do not depend on
    /// the others.
    pub(super) async fn take(&mut self, mut read: Read) -> Result<(), RunError> {
        let collection = &*read.collection;
        let summary = &mut self.summary;
        summary.application_count += collection.applications.len() as u64;
        summary.account_count += collection.accounts.len() as u64;
        summary.permission_set_count += collection.permission_sets.len() as u64;
        summary.assignment_count += collection.assignment_count();
        summary.observe(collection.observed_from, collection.observed_until);
        self.missing.extend(collection.missing.iter().cloned());
        match (&mut summary.since_last, read.since_last.take()) {
            (Some(known), Some(other)) => known.join(other),
            (known, other) => *known = known.take().or(other),
        }
        match &mut self.form {
            Form::Assigned(encoder) => {
                let principal = self.request.scope.principal.as_ref();
                let view = self.request.view;
                let mut rows = Rows::new(collection, &read.holdings, view, principal);
                write(encoder, &mut rows, self.sink).await?;
                let tally = rows.into_tally();
                summary.row_count += tally.rows;
                summary.user_count += tally.user_count();
                for (finding, rows) in tally.findings {
                    *summary.findings.entry(finding).or_default() += rows;
                }
            }
            Form::Instances(encoder) => {
                summary.user_count += collection.counts.users.unwrap_or_default();
                summary.row_count += 1;
                let row = instance_row(collection, self.accounts).await;
                write(encoder, &mut std::iter::once(row), self.sink).await?;
            }
            Form::DuplicateUsers(_, people) => people.add(collection),
            Form::Findings(encoder, people) => {
                let mut found = std::mem::take(&mut read.found);
                if let Some(people) = people {
                    found = people.add(collection, found);
                } else if !self.request.peers.may_be_told {
                    found = findings::parted(found).1;
                }
                for finding in &found {
                    *summary.findings.entry(finding.finding).or_default() += 1;
                }
                summary.row_count += found.len() as u64;
                let mut rows = findings::rows(collection, found);
                write(encoder, &mut rows, self.sink).await?;
            }
        }
        Ok(())
    }

    /// Writes what depends on all instances, and sums up.
    pub(super) async fn finish(
        mut self,
        operations_used: Vec<(Operation, u64)>,
    ) -> Result<Summary, RunError> {
        self.summary.operations_used = operations_used;
        self.write_last_rows().await?;
        self.sum_up();
        let (mut summary, sink) = (self.summary, self.sink);
        summary.sha256 = match self.form {
            Form::Assigned(encoder) => finish(encoder, &summary, sink).await?,
            Form::Instances(encoder) => finish(encoder, &summary, sink).await?,
            Form::DuplicateUsers(encoder, _) => finish(encoder, &summary, sink).await?,
            Form::Findings(encoder, ..) => finish(encoder, &summary, sink).await?,
        };
        Ok(summary)
    }

    async fn write_last_rows(&mut self) -> Result<(), RunError> {
        let (accounts, sink) = (self.accounts, self.sink);
        let summary = &mut self.summary;
        match &mut self.form {
            Form::Assigned(_) => Ok(()),
            Form::Findings(encoder, people) => {
                let people = people.take().unwrap_or_default();
                let rows = people.rows(self.request);
                if !rows.is_empty() {
                    let count = rows.len() as u64;
                    summary.findings.insert(Finding::DuplicateUser, count);
                    summary.row_count += count;
                }
                write(encoder, &mut rows.into_iter(), sink).await
            }
            Form::Instances(encoder) => {
                summary.account_count =
                    (accounts.read_already()).map_or(0, |list| list.ids().len() as u64);
                summary.row_count += self.request.unreachable.len() as u64;
                let rows: Vec<InstanceRow> = (self.request.unreachable.iter())
                    .map(|account| unreachable_row(account, accounts))
                    .collect();
                write(encoder, &mut rows.into_iter(), sink).await
            }
            Form::DuplicateUsers(encoder, people) => {
                let rows = std::mem::take(people).rows();
                summary.row_count = rows.len() as u64;
                let users: BTreeSet<_> = rows
                    .iter()
                    .map(|row| (&row.identity_store_id, &row.user_id))
                    .collect();
                summary.user_count = users.len() as u64;
                write(encoder, &mut rows.into_iter(), sink).await
            }
        }
    }

    /// What is missing, and whether the report is whole.
    fn sum_up(&mut self) {
        let summary = &mut self.summary;
        if let Some(list) = self.accounts.read_already() {
            let instances = self.request.instances.iter().map(|read| &read.instance);
            let missing = if self.request.view == View::Instances {
                list.missing_beside(instances)
            } else {
                list.missing.clone()
            };
            self.missing.extend(missing);
            let (from, until) = list.observed.unzip();
            summary.observe(from, until);
        }
        (self.missing).extend(self.request.unreachable.iter().map(unreachable_missing));
        (self.missing).extend(self.request.missing.iter().cloned());
        summary.lack(std::mem::take(&mut self.missing));
    }
}

async fn write<R: PageRow>(
    encoder: &mut Encoder<R>,
    rows: &mut (impl Iterator<Item = R> + Send),
    sink: &mpsc::Sender<Part>,
) -> Result<(), RunError> {
    for row in rows {
        if let Some(piece) = encoder.push(row)? {
            send(sink, piece.into()).await?;
        }
    }
    Ok(())
}

/// Sends what is left, and answers the sha256 of it all.
pub(super) async fn finish<R: PageRow>(
    encoder: Encoder<R>,
    summary: &Summary,
    sink: &mpsc::Sender<Part>,
) -> Result<String, RunError> {
    let mut ending = encoder.finish(summary)?;
    for piece in ending.by_ref() {
        send(sink, piece.into()).await?;
    }
    Ok(ending.sha256())
}

pub(super) async fn send(sink: &mpsc::Sender<Part>, part: Part) -> Result<(), RunError> {
    (sink.send(part).await).map_err(|_| RunError::ReceiverGone)
}

/// An instance with the lengths of its lists. One of which no list could be read is unreachable.
async fn instance_row(collection: &Collection, accounts: &Accounts<'_>) -> InstanceRow {
    let instance = &collection.instance;
    let counts = &collection.counts;
    let accounts = accounts.list(None).await;
    let is_reachable = [
        counts.users,
        counts.groups,
        counts.applications,
        counts.permission_sets,
    ]
    .iter()
    .any(Option::is_some);
    let reason = (collection.missing.first()).filter(|_| !is_reachable);
    let (reach, reason) = match reason {
        Some(missing) => (Reach::Unreachable, missing.reason.clone()),
        None => (Reach::Reachable, String::new()),
    };
    let account_count = (accounts.count(instance)).filter(|_| instance.gives_account_access());
    let owner = instance.owner_account_id.as_ref();
    InstanceRow {
        instance_arn: instance.arn.to_string(),
        identity_store_id: instance.identity_store_id.to_string(),
        owner_account_id: owner.map(ToString::to_string).unwrap_or_default(),
        owner_account_name: owner
            .map(|id| accounts.name(id).to_owned())
            .unwrap_or_default(),
        alias: instance.alias.clone().unwrap_or_default(),
        name: instance.name.clone(),
        kind: instance.kind.as_str().to_owned(),
        region: instance.region.clone(),
        reach: reach.as_str().to_owned(),
        reason,
        user_count: written(counts.users),
        group_count: written(counts.groups),
        application_count: written(counts.applications),
        permission_set_count: written(counts.permission_sets),
        account_count: written(account_count),
    }
}

fn written(count: Option<u64>) -> String {
    count.map(|count| count.to_string()).unwrap_or_default()
}

/// An account that nobody could look into.
fn unreachable_row(account: &UnreachableAccount, accounts: &Accounts<'_>) -> InstanceRow {
    let listed = (accounts.read_already()).map(|list| list.name(&account.account_id).to_owned());
    InstanceRow {
        owner_account_id: account.account_id.to_string(),
        owner_account_name: (listed.filter(|name| !name.is_empty()))
            .unwrap_or_else(|| account.name.clone()),
        kind: "unknown".to_owned(),
        reach: Reach::Unreachable.as_str().to_owned(),
        reason: account.reason.clone(),
        ..InstanceRow::default()
    }
}

fn unreachable_missing(account: &UnreachableAccount) -> Missing {
    let id = &account.account_id;
    let scope = if account.name.is_empty() {
        format!("account {id}")
    } else {
        format!("account {id} ({})", account.name)
    };
    Missing {
        instance_arn: None,
        scope,
        reason: account.reason.clone(),
        gaps: Vec::new(),
    }
}
