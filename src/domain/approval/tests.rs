//! Tests of what pays for a step, against every way of giving each approver one.

use super::*;

fn steps(text: &[(u32, &[&str])]) -> Vec<ApprovalStep> {
    text.iter()
        .map(|(count, approvers)| ApprovalStep {
            count: *count,
            approvers: approvers.iter().map(|it| it.parse().unwrap()).collect(),
        })
        .collect()
}

fn approver(name: &str, stands_for: &[&str]) -> Approver {
    Approver {
        reviewer: CallerName::parse(name).unwrap(),
        stands_for: stands_for.iter().map(|it| it.parse().unwrap()).collect(),
        may_approve: false,
        keys: BTreeSet::new(),
    }
}

#[test]
fn a_person_counts_once_and_where_it_is_needed_most() {
    let wanted = steps(&[(1, &["group:leads"]), (1, &["group:secops"])]);
    let both = approver("both", &["group:leads", "group:secops"]);
    let lead = approver("lead", &["group:leads"]);
    assert!(!is_paid(&wanted, std::slice::from_ref(&both)));
    assert_eq!(open_step(&wanted, std::slice::from_ref(&both)), Some(1));
    // Whoever is in both moves to where nobody else can be.
    assert!(is_paid(&wanted, &[both.clone(), lead.clone()]));
    assert!(is_paid(&wanted, &[lead, both]));
}

#[test]
fn two_accounts_of_one_person_count_once() {
    let wanted = steps(&[(2, &["group:leads"])]);
    let account = |name, keys: &[&str]| Approver {
        keys: keys.iter().map(|it| (*it).to_owned()).collect(),
        ..approver(name, &["group:leads"])
    };
    let (first, second) = (account("one", &["a"]), account("two", &["b"]));
    assert!(is_paid(&wanted, &[first.clone(), second.clone()]));
    // A third account links them: all are one person, in any order.
    let link = account("three", &["a", "b"]);
    for all in [
        [first.clone(), second.clone(), link.clone()],
        [link.clone(), first.clone(), second.clone()],
        [first.clone(), link.clone(), second.clone()],
    ] {
        assert_eq!(persons(&all).len(), 1);
        assert!(!is_paid(&wanted, &all));
    }
    assert!(!helps(&wanted, std::slice::from_ref(&first), &link));
    // What one account stands for, the person stands for.
    let either = steps(&[(1, &["group:secops"])]);
    let other = Approver {
        keys: first.keys.clone(),
        ..approver("four", &["group:secops"])
    };
    assert!(is_paid(&either, &[first, other]));
}

#[test]
fn a_word_with_more_proof_takes_the_place_of_one_with_less() {
    let said = |decision, vouched_by: Option<&str>, subject_proven| Review {
        reviewer: CallerName::parse("user:one").unwrap(),
        caller: CallerName::parse("user:one").unwrap(),
        decision,
        subject_proven,
        service: None,
        vouched_by: vouched_by.map(str::to_owned),
        round: 0,
        digest: String::new(),
        reason: Justification::default(),
        at: Timestamp::UNIX_EPOCH,
    };
    let approved = |by, proven| said(ReviewDecision::Approved, by, proven);
    let ladder = [approved(None, false), approved(None, true)];
    for (number, earlier) in ladder.iter().enumerate() {
        for (place, later) in ladder.iter().enumerate() {
            assert_eq!(later.replaces(earlier), place > number);
        }
        let denied = said(ReviewDecision::Denied, None, false);
        assert!(denied.replaces(earlier));
        assert!(!earlier.replaces(&denied), "one objection ends it");
        assert!(!denied.replaces(&denied));
        assert!(!said(ReviewDecision::Justified, None, true).replaces(earlier));
    }
}

#[test]
fn steps_come_in_their_order() {
    let wanted = steps(&[(2, &["group:leads"]), (1, &["service:tickets"])]);
    let service = approver("service:tickets", &["service:tickets"]);
    let (one, two) = (
        approver("one", &["group:leads"]),
        approver("two", &["group:leads"]),
    );
    assert!(!helps(&wanted, &[], &service));
    assert!(helps(&wanted, &[], &one));
    assert!(!helps(&wanted, std::slice::from_ref(&one), &service));
    assert!(helps(&wanted, &[one.clone(), two.clone()], &service));
    assert!(is_paid(&wanted, &[service, two, one]), "paid is paid");
}

#[test]
fn what_is_paid_takes_more_for_a_floor() {
    let wanted = steps(&[(1, &["group:leads"])]);
    let one = approver("one", &["group:leads"]);
    let two = approver("two", &["group:leads"]);
    let stranger = approver("stranger", &["group:others"]);
    assert!(helps(&wanted, std::slice::from_ref(&one), &two));
    assert!(!helps(&wanted, std::slice::from_ref(&one), &stranger));
    assert_eq!(in_name_of(&wanted, &[one, two]), ["leads"]);
}

#[test]
fn a_step_that_names_nobody_takes_whom_policy_lets_approve() {
    let wanted = steps(&[(1, &[])]);
    let mut anybody = approver("anybody", &["group:leads"]);
    assert!(!is_paid(&wanted, std::slice::from_ref(&anybody)));
    anybody.may_approve = true;
    assert!(is_paid(&wanted, std::slice::from_ref(&anybody)));
}

#[test]
fn too_few_candidates_can_never_pay() {
    let wanted = steps(&[(2, &["group:leads"]), (1, &["service:tickets"]), (1, &[])]);
    let one = approver("one", &["group:leads"]);
    let two = approver("two", &["group:leads"]);
    assert!(!could_be_paid(&wanted, &[]));
    assert!(!could_be_paid(&wanted, std::slice::from_ref(&one)));
    assert!(could_be_paid(&wanted, &[one, two]));
    assert!(could_be_paid(&steps(&[]), &[]), "what costs nothing");
}

/// Against every way of giving each approver one step.
#[test]
fn the_filling_is_the_best_there_is() {
    let names = ["group:a", "group:b", "group:c"];
    for bits in 0..512_u32 {
        let approvers: Vec<Approver> = (0..3)
            .map(|person| {
                let groups: Vec<&str> = (0..3)
                    .filter(|group| bits >> (person * 3 + group) & 1 == 1)
                    .map(|group| names[group as usize])
                    .collect();
                approver(&format!("p{person}"), &groups)
            })
            .collect();
        let wanted = steps(&[(1, &names[..1]), (1, &names[1..2]), (1, &names[2..])]);
        let permutations = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        let can = permutations.iter().any(|order| {
            let mut pairs = wanted.iter().zip(order);
            pairs.all(|(step, person)| approvers[*person as usize].counts_for(step))
        });
        assert_eq!(is_paid(&wanted, &approvers), can, "{bits:b}");
    }
}
