//! Every annotation, and what is near to each and refuses.

use jiff::SignedDuration;

use super::terms::{Kind, Terms, parse_duration, read, write_duration};
use crate::domain::{ApprovalStep, Approvers};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn terms(kind: Kind, annotations: &[(&str, &str)]) -> Result<Terms, Vec<String>> {
    read(kind, annotations.iter().copied(), Some(HOUR))
}

fn group(name: &str) -> Approvers {
    Approvers::Group(name.to_owned())
}

#[test]
fn a_missing_price_is_one_approval_and_a_missing_limit_the_configured_one() {
    let terms = terms(Kind::Request, &[("id", "a"), ("description", "b")]).unwrap();
    let anybody = ApprovalStep {
        count: 1,
        approvers: Vec::new(),
    };
    assert_eq!(terms.steps, [anybody]);
    assert_eq!(terms.duration_max, Some(HOUR));
    assert!(terms.requires.is_none());
}

#[test]
fn prices_and_limits_are_read() {
    let free = terms(
        Kind::Request,
        &[("approvals", "0"), ("max_duration", "none")],
    );
    let free = free.unwrap();
    assert_eq!((free.steps.len(), free.duration_max), (0, None));
    let dear = terms(
        Kind::Request,
        &[
            ("steps", "2 of group:sec ops, service:bot; 1 of group:leads"),
            ("max_duration", "7d"),
            ("requires", "ticket:INC-[0-9]+|CHG"),
        ],
    );
    let dear = dear.unwrap();
    let steps = [
        ApprovalStep {
            count: 2,
            approvers: vec![group("sec ops"), Approvers::Service("bot".to_owned())],
        },
        ApprovalStep {
            count: 1,
            approvers: vec![group("leads")],
        },
    ];
    assert_eq!(dear.steps, steps);
    assert_eq!(dear.duration_max, Some(SignedDuration::from_hours(168)));
    let requires = dear.requires.unwrap();
    for (ticket, fits) in [
        ("INC-1", true),
        ("CHG", true),
        ("", false),
        ("xINC-1", false),
        ("INC-1 or so", false),
        ("INC-1\n", false),
        ("CHG1", false),
    ] {
        assert_eq!(requires.fits(ticket), fits, "{ticket:?}");
    }
    let two = terms(
        Kind::Request,
        &[("approvals", "2"), ("approvers", "group:secops")],
    );
    assert_eq!(two.unwrap().steps[0].approvers, [group("secops")]);
}

#[test]
fn a_typo_in_an_annotation_refuses() {
    let long = format!("ticket:{}", "a".repeat(201));
    let large = "ticket:(a{100}){100}";
    for wrong in [
        &[("aproval", "2")][..],
        &[("Approvals", "2")],
        &[("approvals", "")],
        &[("approvals", "00")],
        &[("approvals", "01")],
        &[("approvals", "+1")],
        &[("approvals", "-1")],
        &[("approvals", "two")],
        &[("approvals", "1.0")],
        &[("approvals", "21")],
        &[("approvals", "99999999999")],
        &[("approvers", "group:a")],
        &[("approvals", "0"), ("approvers", "group:a")],
        &[("approvals", "1"), ("steps", "1 of group:a")],
        &[("approvers", "group:a"), ("steps", "1 of group:a")],
        &[("approvals", "1"), ("approvers", "")],
        &[("approvals", "1"), ("approvers", "secops")],
        &[("approvals", "1"), ("approvers", "group:")],
        &[("approvals", "1"), ("approvers", "user:a")],
        &[("approvals", "1"), ("approvers", "group:a,")],
        &[("approvals", "1"), ("approvers", "group:a;group:b")],
        &[("approvals", "1"), ("approvers", "group:a, group:a")],
        &[("steps", "")],
        &[("steps", "0 of group:a")],
        &[("steps", "group:a")],
        &[("steps", "1 of group:a;")],
        &[("steps", "1 of group:a, 1 of group:b")],
        &[("max_duration", "")],
        &[("max_duration", "0h")],
        &[("max_duration", "8")],
        &[("max_duration", "8 h")],
        &[("max_duration", "1h30m")],
        &[("max_duration", "-8h")],
        &[("max_duration", "None")],
        &[("max_duration", "9223372036854775807d")],
        &[("requires", "")],
        &[("requires", "ticket")],
        &[("requires", "ticket:")],
        &[("requires", "tiket:a")],
        &[("requires", "ticket:(")],
        &[("requires", "ticket:a)|(b")],
        &[("requires", &long)],
        &[("requires", large)],
        &[("description", " ")],
    ] {
        assert!(terms(Kind::Request, wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn prices_and_limits_stand_only_where_they_work() {
    for key in ["approvals", "steps"] {
        assert!(terms(Kind::BreakGlass, &[(key, "1")]).is_err(), "{key}");
        assert!(terms(Kind::Other, &[(key, "1")]).is_err(), "{key}");
    }
    for limit in [("max_duration", "1h"), ("requires", "ticket:a")] {
        assert!(terms(Kind::BreakGlass, &[limit]).is_ok(), "{limit:?}");
        assert!(terms(Kind::Other, &[limit]).is_err(), "{limit:?}");
    }
}

#[test]
fn durations_are_written_as_they_are_read() {
    for text in ["1s", "90s", "5m", "8h", "25h", "7d", "0s"] {
        assert_eq!(
            parse_duration(text).map(write_duration).as_deref(),
            Some(text)
        );
    }
    assert_eq!(write_duration(SignedDuration::from_millis(1_001)), "2s");
}
