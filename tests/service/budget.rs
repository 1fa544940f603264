//! How the budget is told: to operators, and to who waits for it.

use std::time::Duration;

use usher::config::Config;
use usher::grpc::pb::budget_service_client::BudgetServiceClient;
use usher::grpc::pb::principal::Principal as PrincipalName;
use usher::grpc::pb::{
    AuditReportRequest, BudgetBucket, BudgetClass, FreezeScope, GetBudgetRequest,
    GetBudgetResponse, GrantState, ListGrantsRequest, Principal, ReportFormat, ReportView,
    WaitingKind,
};
use usher::simulator::{Fault, FaultAction};

use super::common::{
    Begin, TestService, TokenChannel, in_time, reason, short_times, until, within,
};

/// A service that may send so many sso-admin operations a second.
async fn slow(per_second: u32) -> TestService {
    let mut config: Config = short_times();
    config.budget.sso_admin_per_second = per_second;
    config.budget.burst = 1;
    TestService::start_with(Begin {
        config,
        ..Begin::default()
    })
    .await
}

fn asked(instance: &str) -> tonic::Request<GetBudgetRequest> {
    in_time(GetBudgetRequest {
        instance: instance.to_owned(),
    })
}

async fn budget_of(channel: TokenChannel) -> GetBudgetResponse {
    let answer = BudgetServiceClient::new(channel)
        .get_budget(asked(""))
        .await;
    answer.expect("the budget").into_inner()
}

fn sso_admin(budget: &GetBudgetResponse) -> Option<&BudgetBucket> {
    budget.buckets.iter().find(|it| it.name == "sso-admin")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_tells_rates_throttles_and_who_waits() {
    let service = slow(5).await;
    let auditor = service.channel_of("auditor").await;
    let report = tokio::spawn(async move {
        let request = in_time(AuditReportRequest {
            view: ReportView::Access.into(),
            format: ReportFormat::Csv.into(),
            ..AuditReportRequest::default()
        });
        let mut client = usher::grpc::pb::access_service_client::AccessServiceClient::new(auditor);
        let mut parts = client.audit_report(request).await.unwrap().into_inner();
        while parts.message().await.unwrap().is_some() {}
    });
    let operator = service.channel_of("operator").await;
    let waits = until("the report to wait", || async {
        let budget = budget_of(operator.clone()).await;
        let bucket = sso_admin(&budget).cloned();
        bucket
            .filter(|bucket| bucket.classes.iter().any(|class| class.waiting > 1))
            .ok_or_else(|| format!("{budget:?}"))
    });
    let bucket = waits.await;
    assert!((bucket.configured_per_second - 5.0).abs() < 1e-9);
    assert!(
        (bucket.rate_per_second - 4.95).abs() < 1e-9,
        "a hundredth less"
    );
    assert_eq!(bucket.throttles, 0);
    assert_eq!(bucket.last_throttle_time, None);
    let classes: Vec<BudgetClass> = bucket.classes.iter().map(|it| it.class()).collect();
    let by_rank = [
        BudgetClass::BreakGlass,
        BudgetClass::Grant,
        BudgetClass::Expiry,
        BudgetClass::Read,
        BudgetClass::Audit,
    ];
    assert_eq!(classes, by_rank);
    let audit = bucket.classes.last().unwrap();
    assert!(audit.waiting > 1 && audit.next_wait.is_some() && audit.longest_wait.is_some());
    assert_eq!(bucket.callers[0].caller, "auditor");
    assert_eq!(bucket.callers[0].class(), BudgetClass::Audit);
    assert_eq!(bucket.callers[0].waiting, audit.waiting);

    let throttle = Fault::new("ListApplicationAssignments", FaultAction::Throttle);
    service.simulator.add_fault(throttle.times(1));
    let throttled = until("a throttle", || async {
        let budget = budget_of(operator.clone()).await;
        let bucket = sso_admin(&budget).cloned();
        bucket
            .filter(|bucket| bucket.throttles == 1)
            .ok_or_else(|| format!("{budget:?}"))
    });
    let bucket = throttled.await;
    assert!(bucket.last_throttle_time.is_some());
    assert!(bucket.rate_per_second < 4.3, "{}", bucket.rate_per_second);
    report.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_not_there_has_no_budget() {
    let service = TestService::start().await;
    let channel = service.channel_of("operator").await;
    let mut client = BudgetServiceClient::new(channel);
    let refused = client.get_budget(asked("nowhere")).await.unwrap_err();
    assert_eq!(reason(&refused), "INSTANCE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_waits_for_the_budget_says_when_it_is_done() {
    let service = slow(2).await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let mut client = service.access();
    let request = in_time(triple.assign());
    let assign = tokio::spawn(async move { client.assign(request).await });
    let waiting = until("the grant to wait for the budget", || async {
        let mut client = service.grants();
        let listed = client.list_grants(in_time(ListGrantsRequest::default()));
        let grants = listed.await.unwrap().into_inner().grants;
        let Some(grant) = grants.first() else {
            return Err("there is none yet".to_owned());
        };
        let grant = service.grant(&grant.id).await;
        let waiting = grant.waiting_for.clone();
        waiting.ok_or_else(|| format!("{grant:?}"))
    });
    let waiting = waiting.await;
    assert_eq!(waiting.kind(), WaitingKind::Budget);
    let expected = waiting.expected_time.expect("when").seconds;
    let now = jiff::Timestamp::now().as_second();
    // Three operations at two a second.
    assert!((now..=now + 3).contains(&expected), "{expected} at {now}");
    let grant = assign.await.unwrap().unwrap().into_inner().grant.unwrap();
    assert_eq!(grant.state(), GrantState::Active);
    assert_eq!(grant.waiting_for, None);
    let took = grant.create_time.unwrap();
    assert!(took.seconds <= expected + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_answered_from_memory_only_while_nothing_changes() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let mut grant = service.assign(triple.assign()).await;
    // Read before and after each change: what was kept is never what is answered.
    for round in 0..20 {
        assert_eq!(
            service.grant(&grant.id).await,
            service.grant(&grant.id).await
        );
        if grant.state() == GrantState::Active {
            service.revoke(super::common::revoke_of(&grant.id)).await;
            let ended = service.grant(&grant.id).await;
            assert_eq!(ended.state(), GrantState::Revoked, "round {round}");
            grant = ended;
        } else {
            grant = service.assign(triple.assign()).await;
            let made = service.grant(&grant.id).await;
            assert_eq!(made.state(), GrantState::Active, "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_served_in_time_hears_it_before_anybody_is_looked_up() {
    let service = slow(1).await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let mut of_nobody = triple.assign();
    of_nobody.principal = Some(Principal {
        principal: Some(PrincipalName::User("nobody.there".to_owned())),
    });
    let ask = |message, time| {
        let mut client = service.access();
        async move { client.assign(within(message, time)).await.unwrap_err() }
    };
    let (short, long) = (Duration::from_secs(2), Duration::from_secs(9));
    let before = service.simulator.calls().len();
    let refused = ask(of_nobody.clone(), short).await;
    assert_eq!(reason(&refused), "AWS_BUDGET_EXHAUSTED");
    assert_eq!(service.simulator.calls().len(), before, "AWS was asked");
    // With time enough it is looked up, and told.
    let refused = ask(of_nobody, long).await;
    assert_eq!(reason(&refused), "PRINCIPAL_NOT_FOUND");
    // That a freeze keeps it is told in the place of a time to come again.
    service.freeze(FreezeScope::Grants).await;
    let refused = ask(triple.assign(), short).await;
    assert_eq!(reason(&refused), "FROZEN");
}
