//! Tests of the fault script: who is hit, how often, and by what.

use serde_json::{Map, Value, json};

use super::failure::Service;
use super::fault_action::FaultAction;
use super::faults::{Ending, Fault, Faults, Plan, Target, omit_members};

fn plan(faults: &mut Faults, operation: &str, input: &Value) -> Plan {
    let empty = Map::new();
    faults.plan(&Target {
        service: Service::SsoAdmin,
        operation,
        input: input.as_object().unwrap_or(&empty),
        caller_arn: "arn:aws:sts::1:assumed-role/a/b",
        resource: "arn:aws:sso:::instance/x",
        retry_after_seconds: None,
    })
}

#[test]
fn a_fault_skips_hits_and_is_spent() {
    let mut faults = Faults::default();
    faults.add(
        Fault::new("ListUsers", FaultAction::Throttle)
            .skip(1)
            .times(2),
        1,
    );
    let hits: Vec<bool> = (0..5)
        .map(|_| !plan(&mut faults, "ListUsers", &json!({})).kinds.is_empty())
        .collect();
    assert_eq!(hits, [false, true, true, false, false]);
    assert!(plan(&mut faults, "ListGroups", &json!({})).kinds.is_empty());
    assert_eq!((faults.list()[0].fitted, faults.list()[0].hit), (5, 2));
}

#[test]
fn a_fault_can_ask_for_members_of_the_input() {
    let mut faults = Faults::default();
    faults.add(
        Fault::new("*", FaultAction::Conflict).only_if("PrincipalId", "p-1"),
        1,
    );
    assert!(
        plan(&mut faults, "A", &json!({"PrincipalId": "p-2"}))
            .kinds
            .is_empty()
    );
    assert!(plan(&mut faults, "A", &json!({})).kinds.is_empty());
    assert_eq!(
        plan(&mut faults, "B", &json!({"PrincipalId": "p-1"})).kinds,
        ["conflict"]
    );
}

#[test]
fn probability_follows_the_seed() {
    let draw = |seed| -> Vec<bool> {
        let mut faults = Faults::default();
        faults.add(
            Fault::new("*", FaultAction::Throttle).probability(0.5),
            seed,
        );
        (0..64)
            .map(|_| !plan(&mut faults, "A", &json!({})).kinds.is_empty())
            .collect()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let hits = draw(7).into_iter().filter(|hit| *hit).count();
    assert!((16..48).contains(&hits), "{hits}");
}

#[test]
fn the_first_ending_wins_and_delays_add_up() {
    let mut faults = Faults::default();
    faults.add(
        Fault::new("*", FaultAction::DelayBeforeEffect { milliseconds: 5 }),
        1,
    );
    faults.add(Fault::new("*", FaultAction::DropAfterEffect).times(1), 1);
    faults.add(Fault::new("*", FaultAction::AccessDenied).times(1), 1);
    faults.add(
        Fault::new("*", FaultAction::DelayBeforeEffect { milliseconds: 7 }),
        1,
    );
    let first = plan(&mut faults, "ListApplications", &json!({}));
    assert_eq!(first.ending, Ending::Drop { after_effect: true });
    assert_eq!(first.delay_before_milliseconds, 12);
    let second = plan(&mut faults, "ListApplications", &json!({}));
    let Ending::Error {
        failure,
        after_effect: false,
    } = second.ending
    else {
        panic!("{:?}", second.ending)
    };
    assert_eq!(
        failure.message,
        "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: \
         sso:ListApplications on resource: arn:aws:sso:::instance/x"
    );
    assert_eq!(
        plan(&mut faults, "ListApplications", &json!({})).ending,
        Ending::Natural
    );
}

#[test]
fn faults_are_written_as_documented() {
    let fault: Fault = serde_json::from_value(json!({
        "operation": "CreateApplicationAssignment",
        "input": {"PrincipalType": "USER"},
        "times": 1,
        "action": {"kind": "effect_later", "milliseconds": 250},
    }))
    .expect("a fault");
    assert_eq!(fault.action, FaultAction::EffectLater { milliseconds: 250 });
    for bad in [
        json!({"operation": "A", "action": {"kind": "explode"}}),
        json!({"operation": "A", "action": {"kind": "effect_later"}}),
        json!({"operation": "A", "action": {"kind": "conflict"}, "time": 1}),
    ] {
        assert!(
            serde_json::from_value::<Fault>(bad.clone()).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn members_are_omitted_inside_rows() {
    let mut reply = json!({"Applications": [{"Name": "a", "Status": "ENABLED"}], "NextToken": "t"});
    omit_members(
        &mut reply,
        &["Applications.Status".to_owned(), "NextToken".to_owned()],
    );
    assert_eq!(reply, json!({"Applications": [{"Name": "a"}]}));
}
