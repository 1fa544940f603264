//! Grants for tests, and tests of the grant's life.

use super::*;
use crate::domain::aws::{ErrorKind, Failure};
use crate::domain::ids::{ApplicationArn, PrincipalId, PrincipalKind};
use crate::domain::operation::Operation;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn grant(number: u128, state: GrantState) -> Grant {
    let key = AssignmentKey {
        instance_arn: InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap(),
        principal: PrincipalRef {
            kind: PrincipalKind::User,
            id: PrincipalId::parse("04261254-0000-4a5a-9d53-3f2a5f0c1a11").unwrap(),
        },
        target: Target::Application(
            ApplicationArn::parse("arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef").unwrap(),
        ),
    };
    let id = GrantId::from_uuid(uuid::Uuid::from_u128(number));
    let requester = Requester::itself(CallerName::parse("portal").unwrap());
    let has_begun = !state.is_waiting() && state != GrantState::Provisioning;
    Grant {
        state,
        duration: Some(SignedDuration::from_secs(3600)),
        started_at: has_begun.then(|| at(1)),
        end_at: has_begun.then(|| at(3601)),
        ..Grant::new(id, key, requester, at(0))
    }
}

pub(crate) fn revoke() -> Transition {
    Transition::Revoke {
        by: CallerName::parse("alice").unwrap(),
        reason: Justification::default(),
    }
}

fn failure() -> FailedAttempt {
    FailedAttempt {
        failure: Failure::new(
            ErrorKind::Validation,
            Operation::CreateApplicationAssignment,
        ),
        at: at(1),
    }
}

#[test]
fn duration_counts_from_activation() {
    let active = grant(1, GrantState::Provisioning)
        .apply(Transition::Activate, at(100))
        .unwrap();
    assert_eq!(active.started_at, Some(at(100)));
    assert_eq!(active.end_at, Some(at(3700)));
}

#[test]
fn time_over_before_its_time_is_refused() {
    let active = grant(1, GrantState::Active);
    assert!(active.apply(Transition::TimeOver, at(3600)).is_err());
    let revoking = active.apply(Transition::TimeOver, at(3601)).unwrap();
    assert_eq!(
        revoking.apply(Transition::Finish, at(3605)).unwrap().state,
        GrantState::Expired
    );
}

fn opened() -> (Vec<String>, String) {
    (vec!["path".to_owned()], "v1".to_owned())
}

fn extension(end: i64) -> Extension {
    Extension {
        round: 1,
        requester: Requester::itself(CallerName::parse("portal").unwrap()),
        end_at: at(end),
        justification: Justification::default(),
        ticket: Ticket::default(),
        paths: Vec::new(),
        digest: String::new(),
        lapses_at: at(3000),
    }
}

fn all_transitions() -> Vec<Transition> {
    let (policies, policy_version) = opened();
    let nobody = Justification::default;
    vec![
        Transition::Review,
        Transition::Open {
            policies: policies.clone(),
            policy_version: policy_version.clone(),
        },
        Transition::Start {
            policies: policies.clone(),
            policy_version: policy_version.clone(),
        },
        Transition::Deny {
            by: None,
            reason: nobody(),
        },
        Transition::Lapse { reason: nobody() },
        Transition::LookAt(at(10)),
        Transition::AskExtension(Box::new(extension(9000)), at(60)),
        Transition::Extend {
            policies,
            policy_version,
        },
        Transition::DropExtension,
        Transition::ReviewAfterwards,
        Transition::Activate,
        Transition::Fail(failure()),
        revoke(),
        Transition::TimeOver,
        Transition::Finish,
    ]
}

fn allowed(grant: &Grant, second: i64) -> Vec<&'static str> {
    all_transitions()
        .into_iter()
        .filter(|transition| grant.apply(transition.clone(), at(second)).is_ok())
        .map(|transition| transition.verb())
        .collect()
}

#[test]
fn every_state_takes_exactly_its_own_transitions() {
    for state in GrantState::ALL {
        let expected: &[&str] = match state {
            GrantState::PendingApproval => &[
                "be agreed to",
                "open",
                "be denied",
                "lapse",
                "be looked at later",
                "be revoked",
            ],
            GrantState::Scheduled => &["start", "be denied", "be looked at later", "be revoked"],
            GrantState::Provisioning => &["become active", "fail", "be revoked"],
            GrantState::Active => &["be revoked", "run out of time"],
            GrantState::Revoking => &["finish ending"],
            GrantState::Denied
            | GrantState::Cancelled
            | GrantState::Lapsed
            | GrantState::Revoked
            | GrantState::Expired
            | GrantState::Failed => &[],
        };
        assert_eq!(allowed(&grant(1, state), 9999), expected, "{state:?}");
    }
}

#[test]
fn break_glass_is_looked_at_once_whatever_became_of_it() {
    for state in GrantState::ALL {
        let mut taken = grant(1, state);
        taken.review_due = true;
        let looked_at = taken.apply(Transition::ReviewAfterwards, at(9)).unwrap();
        assert_eq!((looked_at.review_due, looked_at.state), (false, state));
        assert!(
            looked_at
                .apply(Transition::ReviewAfterwards, at(9))
                .is_err()
        );
    }
}

#[test]
fn what_opens_before_its_start_waits_for_it() {
    let (policies, policy_version) = opened();
    let open = || Transition::Open {
        policies: policies.clone(),
        policy_version: policy_version.clone(),
    };
    let start = || Transition::Start {
        policies: policies.clone(),
        policy_version: policy_version.clone(),
    };
    let mut pending = grant(1, GrantState::PendingApproval);
    pending.start_asked_at = Some(at(100));
    let scheduled = pending.apply(open(), at(50)).unwrap();
    assert_eq!(scheduled.state, GrantState::Scheduled);
    assert_eq!(scheduled.look_at, Some(at(100)));
    assert!(
        scheduled.apply(start(), at(99)).is_err(),
        "not before its time"
    );
    let started = scheduled.apply(start(), at(100)).unwrap();
    assert_eq!(started.state, GrantState::Provisioning);
    // Agreed to after the start that was asked for: at once.
    let late = pending.apply(open(), at(101)).unwrap();
    assert_eq!(late.state, GrantState::Provisioning);
}

#[test]
fn what_has_not_begun_is_cancelled_and_never_revoked() {
    for state in [GrantState::PendingApproval, GrantState::Scheduled] {
        let ended = grant(1, state).apply(revoke(), at(5)).unwrap();
        assert_eq!(ended.state, GrantState::Cancelled);
        assert_eq!(ended.ended_at, Some(at(5)));
        assert_eq!(ended.ending.unwrap().kind, EndingKind::Cancelled);
    }
}

#[test]
fn the_old_end_stands_until_more_time_is_given() {
    let (policies, policy_version) = opened();
    let extend = Transition::Extend {
        policies,
        policy_version,
    };
    let active = grant(1, GrantState::Active);
    let ask = |end| Transition::AskExtension(Box::new(extension(end)), at(3000));
    assert!(
        active.apply(ask(3601), at(10)).is_err(),
        "no more than it has"
    );
    assert!(active.apply(ask(9000), at(3601)).is_err(), "after its end");
    let asked = active.apply(ask(9000), at(10)).unwrap();
    assert_eq!(
        (asked.end_at, asked.look_at),
        (Some(at(3601)), Some(at(3000)))
    );
    assert!(
        asked.apply(ask(9000), at(11)).is_err(),
        "one wish at a time"
    );
    let given = asked.apply(extend.clone(), at(20)).unwrap();
    assert_eq!((given.end_at, given.look_at), (Some(at(9000)), None));
    assert_eq!(given.duration, Some(SignedDuration::from_secs(8999)));
    assert!(asked.apply(extend.clone(), at(3601)).is_err(), "too late");
    let refused = asked.apply(Transition::DropExtension, at(20)).unwrap();
    assert_eq!(refused.end_at, Some(at(3601)));
    assert_eq!(refused.extension, None);
    assert!(refused.apply(extend, at(21)).is_err());
    // An end takes the wish with it.
    let ended = asked.apply(Transition::TimeOver, at(3601)).unwrap();
    assert_eq!((ended.extension, ended.look_at), (None, None));
}

#[test]
fn an_agreement_names_exactly_what_will_be_executed() {
    let wish = grant(1, GrantState::PendingApproval);
    let mut others = vec![wish.clone(); 6];
    others[0].id = GrantId::from_uuid(uuid::Uuid::from_u128(2));
    others[1].principal.kind = PrincipalKind::Group;
    others[2].duration = None;
    others[3].start_asked_at = Some(at(9));
    others[4].break_glass = true;
    others[5].duration = Some(SignedDuration::from_secs(3601));
    let mut digests: Vec<String> = others.iter().map(Grant::digest).collect();
    digests.push(wish.digest());
    digests.push(wish.extension_digest(1, at(5000)));
    digests.push(wish.extension_digest(2, at(5000)));
    digests.push(wish.extension_digest(1, at(5001)));
    let different: std::collections::BTreeSet<&String> = digests.iter().collect();
    assert_eq!(different.len(), digests.len());
    // What is said beside does not count: words are no execution.
    let mut reworded = wish.clone();
    reworded.justification = Justification::parse("other words").unwrap();
    assert_eq!(reworded.digest(), wish.digest());
}

#[test]
fn an_end_beyond_time_is_the_last_instant() {
    let mut endless = grant(1, GrantState::Provisioning);
    endless.duration = Some(SignedDuration::MAX);
    assert_eq!(
        endless.apply(Transition::Activate, at(0)).unwrap().end_at,
        Some(Timestamp::MAX)
    );
}

#[test]
fn too_late_is_too_late_for_what_is_opened_and_for_what_is_taken_over() {
    let adoption = Adoption {
        standing_before: Standing::Unknown,
        owner: None,
    };
    let (policies, policy_version) = opened();
    let open = Transition::Open {
        policies: policies.clone(),
        policy_version: policy_version.clone(),
    };
    let adopt = Transition::Adopt {
        policies,
        policy_version,
    };
    for (adoption, transition) in [(None, open), (Some(adoption), adopt)] {
        let pending = Grant {
            adoption,
            lapses_at: Some(at(100)),
            ..grant(1, GrantState::PendingApproval)
        };
        assert!(pending.apply(transition.clone(), at(99)).is_ok());
        assert!(pending.apply(transition, at(100)).is_err());
    }
}
