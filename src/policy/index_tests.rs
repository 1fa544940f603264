//! The index skips policies; these tests show that it never changes an answer.

use std::collections::BTreeSet;

use cedar_policy::{
    Authorizer, Decision as CedarDecision, Entities, PolicySet as CedarSet, Request,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::facts::{Facts, facts};
use super::index::Found;
use super::{
    Action, ActivationQuestion, BeneficiaryFacts, GrantQuestion, GroupFacts, PolicyFile,
    PolicyRules, PolicySet, Question, Resource, Scene, Subject, TargetFacts, UserFacts,
};
use crate::domain::{
    AccountAccess, AccountId, ApplicationArn, InstanceArn, PermissionSetArn, PrincipalId,
    PrincipalKind, PrincipalRef, PrincipalStatus, Target,
};

const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
const APPLICATION: &str =
    "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcde";
const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcde";

fn id(number: u8) -> PrincipalId {
    PrincipalId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap()
}

fn target(number: u8) -> TargetFacts {
    let target = if number < 3 {
        Target::Application(ApplicationArn::parse(&format!("{APPLICATION}{number}")).unwrap())
    } else {
        Target::AccountAccess(AccountAccess {
            account: AccountId::parse(&format!("11112222333{number}")).unwrap(),
            permission_set: PermissionSetArn::parse(&format!("{SET}{}", number % 2)).unwrap(),
        })
    };
    TargetFacts {
        instance: InstanceArn::parse(INSTANCE).unwrap(),
        instance_alias: "main".to_owned(),
        target,
        // One application has no name: policies that ask for it cannot be evaluated.
        name: if number == 0 {
            String::new()
        } else {
            format!("name {number}")
        },
        account_name: format!("account {number}"),
    }
}

fn scope_principal() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("principal".to_owned()),
        Just("principal is Usher::User".to_owned()),
        Just("principal is Usher::Service".to_owned()),
        (0..6_u8).prop_map(|it| format!("principal in Usher::Group::\"group {it}\"")),
        (0..6_u8).prop_map(|it| format!("principal in Usher::Group::\"{}\"", id(it + 20))),
        (0..6_u8)
            .prop_map(|it| format!("principal is Usher::User in Usher::Group::\"group {it}\"")),
        (0..3_u8).prop_map(|it| format!("principal == Usher::User::\"{}\"", id(it))),
        Just("principal == Usher::Service::\"portal\"".to_owned()),
    ]
}

fn scope_resource() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("resource".to_owned()),
        Just("resource is Usher::Application".to_owned()),
        Just("resource is Usher::Application in Usher::Instance::\"main\"".to_owned()),
        Just("resource is Usher::AccountAccess".to_owned()),
        (0..3_u8).prop_map(|it| format!("resource == Usher::Application::\"{APPLICATION}{it}\"")),
        (3..6_u8).prop_map(|it| format!("resource in Usher::Account::\"11112222333{it}\"")),
        (0..2_u8).prop_map(|it| format!("resource in Usher::PermissionSet::\"{SET}{it}\"")),
        Just("resource in Usher::Instance::\"main\"".to_owned()),
        Just(format!("resource in Usher::Instance::\"{INSTANCE}\"")),
        Just("resource in Usher::Instance::\"other\"".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        1 => Just(" when { context.people_count < 5 }".to_owned()),
        1 => Just(" unless { context has duration_seconds }".to_owned()),
        1 => Just(" when { resource is Usher::Application && resource.name == \"name 1\" }".to_owned()),
        1 => Just(" when { context.people_count * 9223372036854775807 > 3 }".to_owned()),
        4 => (comparison(), before(), after()).prop_map(|(comparison, before, after)| {
            format!(" when {{ {before}{comparison}{after} }}")
        }),
    ]
}

/// A text that is compared, by which the index may skip the policy.
fn comparison() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0..4_u8).prop_map(|it| format!("resource.name == \"name {it}\"")),
        2 => (3..6_u8).prop_map(|it| format!("resource.account_name == \"account {it}\"")),
        2 => (0..4_u8).prop_map(|it| format!("principal.name == \"user {it}\"")),
        1 => Just("principal has email && principal.email == \"a@example.com\"".to_owned()),
    ]
}

/// What may stand before it: some of it fails for some questions, and then nothing may be skipped.
fn before() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just(""),
        2 => Just("context.subject_proven && "),
        1 => Just("!(context has service) && "),
        1 => Just("context.people_count * 9223372036854775807 > 3 && "),
        1 => Just("resource in Usher::Instance::\"main\" && "),
    ]
}

/// What may stand behind it.
fn after() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just(""),
        1 => Just(" && context.people_count * 9223372036854775807 > 3"),
        1 => Just(" || context.people_count < 3"),
        1 => Just(" } unless { context.people_count > 6"),
    ]
}

fn policy_text() -> impl Strategy<Value = String> {
    let action = prop_oneof![
        4 => Just("action == Usher::Action::\"Request\""),
        2 => Just("action in [Usher::Action::\"Request\", Usher::Action::\"BreakGlass\"]"),
        1 => Just("action == Usher::Action::\"BreakGlass\""),
    ];
    let effect = prop_oneof![4 => Just("permit"), 1 => Just("forbid")];
    (
        effect,
        scope_principal(),
        action,
        scope_resource(),
        condition(),
    )
        .prop_map(|(effect, principal, action, resource, condition)| {
            format!("{effect} ({principal}, {action}, {resource}){condition};")
        })
}

fn subject() -> impl Strategy<Value = Subject> {
    let user = (0..3_u8, prop::collection::btree_set(0..6_u8, 0..4)).prop_map(|(user, groups)| {
        Subject::User(UserFacts {
            id: id(user),
            name: format!("user {user}"),
            email: if user == 0 {
                String::new()
            } else {
                "a@example.com".to_owned()
            },
            status: PrincipalStatus::Enabled,
            groups: groups
                .into_iter()
                .map(|group| GroupFacts {
                    id: id(group + 20),
                    name: format!("group {group}"),
                })
                .collect(),
        })
    });
    prop_oneof![
        6 => user,
        1 => Just(Subject::Service("portal".to_owned())),
        1 => Just(Subject::Unmatched("somebody".to_owned())),
    ]
}

fn question() -> impl Strategy<Value = GrantQuestion> {
    (0..6_u8, 1..9_u64, any::<bool>()).prop_map(|(number, people_count, has_end)| GrantQuestion {
        target: target(number),
        beneficiary: BeneficiaryFacts {
            principal: PrincipalRef {
                kind: PrincipalKind::User,
                id: id(1),
            },
            name: "user 1".to_owned(),
            is_subject: false,
        },
        people_count,
        duration: has_end.then(|| SignedDuration::from_hours(1)),
        justification: String::new(),
        ticket: String::new(),
        adoption: false,
    })
}

fn scene(subject: Subject) -> Scene {
    Scene {
        subject,
        service: None,
        subject_proven: true,
        now: Timestamp::UNIX_EPOCH,
    }
}

/// Every name and id of the subject's groups, also those that no policy names.
fn groups_of(subject: &Subject) -> BTreeSet<String> {
    let Subject::User(user) = subject else {
        return BTreeSet::new();
    };
    let both = |group: &GroupFacts| [group.id.to_string(), group.name.clone()];
    user.groups.iter().flat_map(both).collect()
}

/// Cedar over the whole set at once, as its authors mean it, and our rule about errors.
fn without_index(set: &PolicySet, facts: &Facts) -> (Found, bool) {
    let policies = set.inner.policies.values();
    let whole = CedarSet::from_policies(policies.map(|it| it.policy.clone())).unwrap();
    let authorizer = Authorizer::new();
    let mut found = Found::default();
    found.add(&authorizer, &whole, facts);
    let response = authorizer.is_authorized(&facts.request, &whole, &facts.entities);
    let is_allowed = response.decision() == CedarDecision::Allow && found.errors.is_empty();
    (found, is_allowed)
}

/// A set of those policies that load: a random one may be one that Cedar finds impossible.
fn set_of(texts: &[String]) -> Option<PolicySet> {
    let load = |texts: &[(usize, &String)]| {
        let text: String = texts
            .iter()
            .map(|(at, text)| format!("@id(\"p{at}\") {text}\n"))
            .collect();
        let file = PolicyFile {
            name: "random.cedar".to_owned(),
            text,
        };
        PolicySet::load(&[file], &PolicyRules::default())
    };
    let fine: Vec<(usize, &String)> = texts
        .iter()
        .enumerate()
        .filter(|one| load(&[*one]).is_ok())
        .collect();
    load(&fine).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Every answer over the shelves, and with only the groups that policies name, is the answer of
    /// Cedar over all policies and all groups.
    #[test]
    fn the_index_changes_no_answer(
        texts in prop::collection::vec(policy_text(), 1..24),
        questions in prop::collection::vec((subject(), question(), any::<bool>()), 8),
    ) {
        let Some(set) = set_of(&texts) else {
            return Ok(());
        };
        for (subject, grant, is_urgent) in questions {
            let scene = scene(subject);
            let asked = if is_urgent { Question::BreakGlass(&grant) } else { Question::Request(&grant) };
            let every_group = groups_of(&scene.subject);
            let (whole, is_allowed) =
                without_index(&set, &facts(&scene, &asked, &every_group).unwrap());
            let sliced = facts(&scene, &asked, &set.inner.groups).unwrap();
            let indexed = set.inner.index.ask(asked.action(), &sliced);
            prop_assert_eq!(&indexed.errors, &whole.errors);
            let (verdict, expected) = (set.sorted_out(&indexed), set.sorted_out(&whole));
            prop_assert_eq!(&verdict.forbids, &expected.forbids);
            let ids = |permits: &[(&cedar_policy::PolicyId, &super::load::Loaded)]| -> BTreeSet<String> {
                permits.iter().map(|(id, _)| id.to_string()).collect()
            };
            prop_assert_eq!(ids(&verdict.permits), ids(&expected.permits));
            prop_assert_eq!(!verdict.permits.is_empty(), is_allowed);
        }
    }
}

fn alice() -> UserFacts {
    UserFacts {
        id: id(1),
        name: "alice".to_owned(),
        email: "alice@example.com".to_owned(),
        status: PrincipalStatus::Enabled,
        groups: vec![GroupFacts {
            id: id(21),
            name: "engineering".to_owned(),
        }],
    }
}

fn engineering() -> BeneficiaryFacts {
    BeneficiaryFacts {
        principal: PrincipalRef {
            kind: PrincipalKind::Group,
            id: id(21),
        },
        name: "engineering".to_owned(),
        is_subject: false,
    }
}

fn wish(number: u8) -> GrantQuestion {
    GrantQuestion {
        target: target(number),
        beneficiary: engineering(),
        people_count: 3,
        duration: Some(SignedDuration::from_hours(1)),
        justification: "because".to_owned(),
        ticket: "INC-1".to_owned(),
        adoption: false,
    }
}

/// Cedar's own check of a request and its entities against the schema.
fn assert_of_the_schema(facts: &Facts) {
    let schema = super::vocabulary::schema();
    Entities::from_entities(facts.entities.iter().cloned(), Some(schema)).unwrap();
    let request = &facts.request;
    Request::new(
        request.principal().unwrap().clone(),
        request.action().unwrap().clone(),
        request.resource().unwrap().clone(),
        request.context().unwrap().clone(),
        Some(schema),
    )
    .unwrap();
}

/// The facts of every question are what the schema says, so that a validated policy can rely on them.
#[test]
fn facts_keep_to_the_schema() {
    let (application, account) = (wish(1), wish(4));
    let activation = ActivationQuestion {
        grant: wish(4),
        path: "a".to_owned(),
        approval_count: 2,
        approver_groups: vec!["secops".to_owned()],
        break_glass: false,
    };
    let instance = Resource::Instance {
        arn: InstanceArn::parse(INSTANCE).unwrap(),
        alias: "main".to_owned(),
    };
    let assignment = Resource::Assignment {
        target: target(4),
        beneficiary: engineering(),
    };
    let grant = Resource::Grant {
        id: "grant_00000000000000000000000000000000".to_owned(),
        target: target(1),
        beneficiary: engineering(),
        requested_by_subject: true,
        break_glass: false,
    };
    let person = Resource::User(alice());
    let questions = [
        Question::Request(&application),
        Question::BreakGlass(&account),
        Question::Activate(&activation),
        Question::Other(Action::ReadAssignments, &assignment),
        Question::Other(Action::Revoke, &grant),
        Question::Other(Action::Operate, &instance),
        Question::Other(Action::ActFor, &person),
    ];
    for subject in [
        Subject::User(alice()),
        Subject::Service("portal".to_owned()),
        Subject::Unmatched("bob".to_owned()),
    ] {
        let scene = Scene {
            service: Some("portal".to_owned()),
            ..scene(subject)
        };
        for question in &questions {
            assert!(question.is_of_the_schema());
            let groups = groups_of(&scene.subject);
            assert_of_the_schema(&facts(&scene, question, &groups).unwrap());
        }
    }
}
