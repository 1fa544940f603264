//! What changed in a period, over the wire: each fact that came or went with what explains it, and what opened
//! and ended in between.

use jiff::Timestamp;
use tonic::Code;
use usher::grpc::pb::{
    AuditReportRequest, AuditSummary, ChangeRow, Completeness, Grant, ReportFormat, ReportView,
    audit_report_response,
};
use usher::simulator::Membership;

use super::common::{TestService, Triple, application, in_time, reason, revoke_of, until, user};

fn wire(at: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    })
}

fn asked(view: ReportView, compare_to: Option<Timestamp>) -> AuditReportRequest {
    AuditReportRequest {
        view: view.into(),
        format: ReportFormat::Rows.into(),
        compare_to: compare_to.and_then(wire),
        ..AuditReportRequest::default()
    }
}

async fn report(
    service: &TestService,
    request: AuditReportRequest,
) -> Result<(Vec<ChangeRow>, AuditSummary), tonic::Status> {
    let mut parts = (service.access().audit_report(in_time(request)).await?).into_inner();
    let mut rows = Vec::new();
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(audit_report_response::Part::Rows(batch)) => rows.extend(batch.change_rows),
            Some(audit_report_response::Part::Summary(summary)) => return Ok((rows, summary)),
            _ => {}
        }
    }
    panic!("the report was cut")
}

/// Has the server collect everything.
async fn collect(service: &TestService) {
    let (_, summary) = report(service, asked(ReportView::Access, None))
        .await
        .expect("a report");
    assert_eq!(summary.completeness(), Completeness::Complete);
}

/// What changed, without a question to AWS, as soon as the log has it.
async fn changes(
    service: &TestService,
    request: AuditReportRequest,
) -> (Vec<ChangeRow>, AuditSummary) {
    let before = service.simulator.calls().len();
    let answer = report(service, request).await.expect("what changed");
    assert_eq!(service.simulator.calls().len(), before, "AWS was asked");
    answer
}

fn of<'a>(rows: &'a [ChangeRow], what: &str, id: &str) -> Vec<&'a ChangeRow> {
    let rows = rows.iter();
    rows.filter(|row| row.what == what && row.principal_id == id)
        .collect()
}

/// What happens between two collections.
struct Happened {
    /// Given in AWS, beside Usher.
    beside: Triple,
    /// Given by a grant.
    held: Triple,
    grant: Grant,
    /// Opened and ended in between.
    short: Triple,
    passing: Grant,
    /// The group that one joined.
    group: String,
}

async fn happen(service: &TestService) -> Happened {
    let beside = service.user_on("anna.berg", "Amazon Redshift");
    service.set_assigned(&beside, true);
    let held = service.user_on("bilal.khan", "Amazon Redshift");
    let mut request = held.assign();
    request.ticket = "INC-7".to_owned();
    let grant = service.assign(request).await;
    // Opened and ended between two collections.
    let short = service.user_on("dmitri.orlov", "Amazon Redshift");
    let passing = service.assign(short.assign()).await;
    service.revoke(revoke_of(&passing.id)).await;
    let group = service
        .group_on("analysts", "Amazon QuickSight")
        .principal_id;
    service.simulator.edit_world(|world| {
        let membership = world.memberships.first().cloned().expect("a membership");
        world.memberships.push(Membership {
            membership_id: membership.membership_id.replace('0', "9"),
            group_id: group.clone(),
            user_id: held.principal_id.clone(),
            ..membership
        });
    });
    Happened {
        beside,
        held,
        grant,
        short,
        passing,
        group,
    }
}

fn assert_told(rows: &[ChangeRow], happened: &Happened) {
    let Happened {
        beside,
        held,
        grant,
        short,
        passing,
        group,
    } = happened;
    let [found] = of(rows, "ASSIGNMENT", &beside.principal_id)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(
        (found.change.as_str(), found.cause.as_str()),
        ("ADDED", "OUT_OF_BAND")
    );
    assert_eq!(found.principal_name, "anna.berg");
    assert_eq!(found.application_name, "Amazon Redshift");
    let [found] = of(rows, "ASSIGNMENT", &held.principal_id)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(
        (found.change.as_str(), found.cause.as_str()),
        ("ADDED", "USHER")
    );
    assert_eq!(found.grant_id, grant.id);
    assert!(!found.events.is_empty());
    assert!(of(rows, "ASSIGNMENT", &short.principal_id).is_empty());
    let of_short: Vec<&str> = (of(rows, "EVENT", &short.principal_id).iter())
        .map(|row| row.change.as_str())
        .collect();
    for kind in ["grant_requested", "grant_activated", "revoke_requested"] {
        assert!(of_short.contains(&kind), "{of_short:?}");
    }
    let [ended] = of(rows, "GRANT", &short.principal_id)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(
        (ended.change.as_str(), &ended.grant_id),
        ("REVOKED", &passing.id)
    );
    assert!(!ended.until.is_empty() && ended.late_seconds.is_empty());
    assert_eq!(of(rows, "GRANT", &held.principal_id)[0].ticket, "INC-7");
    let [joined] = of(rows, "MEMBERSHIP", &held.principal_id)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!((joined.change.as_str(), &joined.group_id), ("ADDED", group));
    assert_eq!(
        (joined.group_name.as_str(), joined.cause.as_str()),
        ("analysts", "AWS")
    );
    let told = of(rows, "EVENT", &beside.principal_id);
    let is_told = |row: &&ChangeRow| (&*row.change, &*row.after) == ("finding_new", "out_of_band");
    assert!(told.iter().any(is_told), "{told:#?}");
    let new = of(rows, "FINDING", &beside.principal_id);
    assert!(new.iter().any(|row| row.after.starts_with("out_of_band")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_period_is_told_with_what_explains_it() {
    let service = TestService::start().await;
    collect(&service).await;
    let time = Timestamp::now();
    let happened = happen(&service).await;
    collect(&service).await;

    let request = asked(ReportView::Changes, Some(time));
    let chained = until("the log", || async {
        let (rows, _) = changes(&service, request.clone()).await;
        let ended = of(&rows, "EVENT", &happened.short.principal_id);
        let is_there = ended
            .iter()
            .any(|row| row.change == "ended_assignment_gone");
        let found = of(&rows, "EVENT", &happened.beside.principal_id);
        let is_there = is_there && found.iter().any(|row| row.change == "finding_new");
        is_there.then_some(rows).ok_or_else(|| "not yet".to_owned())
    });
    let rows = chained.await;
    assert_told(&rows, &happened);
    // What differs, alone; and of one person or target.
    let (rows, _) = changes(&service, asked(ReportView::Assignments, Some(time))).await;
    let who: Vec<&str> = rows.iter().map(|row| row.principal_name.as_str()).collect();
    assert_eq!(who, ["anna.berg", "bilal.khan"], "{rows:#?}");
    let only = AuditReportRequest {
        principal: Some(user("anna.berg")),
        target: Some(application("Amazon Redshift")),
        ..asked(ReportView::Changes, Some(time))
    };
    let (rows, _) = report(&service, only).await.expect("what changed");
    assert!(!rows.is_empty());
    assert!(
        rows.iter().all(|row| row.principal_name == "anna.berg"),
        "{rows:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_last_assignment_leaves_neither_the_directory_nor_its_groups() {
    let service = TestService::start().await;
    collect(&service).await;
    let time = Timestamp::now();
    let (assigned, members) = service.simulator.edit_world(|world| {
        let applications = std::mem::take(&mut world.assignments);
        let accounts = std::mem::take(&mut world.account_assignments);
        (applications.len() + accounts.len(), world.memberships.len())
    });
    assert!(assigned > 0 && members > 0);
    collect(&service).await;
    let request = asked(ReportView::Changes, Some(time));
    let (rows, summary) = changes(&service, request.clone()).await;
    assert_eq!(summary.completeness(), Completeness::Complete);
    let removed = |what: &str| {
        rows.iter()
            .filter(|row| row.what == what && row.change == "REMOVED")
            .count()
    };
    assert_eq!(removed("ASSIGNMENT"), assigned, "{rows:#?}");
    for what in ["USER", "GROUP", "MEMBERSHIP", "ACCOUNT"] {
        assert_eq!(removed(what), 0, "{what}: {rows:#?}");
    }
    // Who is deleted leaves.
    let gone = service
        .simulator
        .edit_world(|world| world.users.remove(0).user_id);
    collect(&service).await;
    let (rows, _) = changes(&service, request).await;
    let [left] = of(&rows, "USER", &gone)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(left.change, "REMOVED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_before_the_first_collection_is_told_as_far_as_anything_is_known() {
    let service = TestService::start().await;
    let start = Timestamp::now() - std::time::Duration::from_secs(60);
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    let request = asked(ReportView::Changes, Some(start));
    let (rows, summary) = until("the log", || async {
        let (rows, summary) = changes(&service, request.clone()).await;
        let known = rows.iter().any(|row| row.change == "grant_activated");
        known
            .then_some((rows, summary))
            .ok_or_else(|| "not yet".to_owned())
    })
    .await;
    assert_eq!(
        of(&rows, "GRANT", &triple.principal_id)[0].grant_id,
        grant.id
    );
    assert_eq!(summary.completeness(), Completeness::Partial);
    assert!(
        summary.missing[0].reason.contains("no facts"),
        "{summary:?}"
    );
    let refused = report(&service, asked(ReportView::Access, Some(start))).await;
    assert_eq!(reason(&refused.unwrap_err()), "FACTS_NOT_COLLECTED");
    let without = report(&service, asked(ReportView::Changes, None)).await;
    let refused = without.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(format!("{refused:?}").contains("compare_to"), "{refused:?}");
    let later = Timestamp::now() + std::time::Duration::from_secs(60);
    let refused = report(&service, asked(ReportView::Changes, Some(later))).await;
    assert_eq!(reason(&refused.unwrap_err()), "FIELD_INVALID");
}

/// The page of who has access, read now or from what is kept.
async fn page(service: &TestService, max_age: Option<i64>) -> String {
    let request = AuditReportRequest {
        view: ReportView::Access.into(),
        format: ReportFormat::Html.into(),
        max_age: max_age.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        ..AuditReportRequest::default()
    };
    let answer = service.access().audit_report(in_time(request)).await;
    let mut parts = answer.expect("a page").into_inner();
    let mut text = String::new();
    while let Some(message) = parts.message().await.expect("a part") {
        if let Some(audit_report_response::Part::Text(piece)) = message.part {
            text.push_str(&piece);
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_what_changed_since_the_collection_before() {
    let service = TestService::start().await;
    let heading = "What changed since last time";
    assert!(
        !page(&service, None).await.contains(heading),
        "the first one"
    );
    let added = service.user_on("anna.berg", "Amazon Redshift");
    service.set_assigned(&added, true);
    let read = page(&service, None).await;
    let kept = page(&service, Some(3600)).await;
    for text in [&read, &kept] {
        assert!(text.contains(heading));
        assert!(text.contains("1 assignment came and 0 went"), "{text}");
        let row = "<bdi>anna.berg</bdi><td><bdi>Amazon Redshift</bdi><td>came";
        assert!(text.contains(row), "{text}");
    }
    service.set_assigned(&added, false);
    let gone = page(&service, None).await;
    assert!(
        gone.contains("<bdi>anna.berg</bdi><td><bdi>Amazon Redshift</bdi><td>went"),
        "{gone}"
    );
}
