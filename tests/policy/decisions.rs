//! What policies decide, asked as the use cases ask.

use jiff::{SignedDuration, Timestamp};
use usher::domain::{
    ApplicationArn, InstanceArn, PrincipalId, PrincipalKind, PrincipalRef, PrincipalStatus, Target,
};
use usher::policy::{
    Action, ActivationQuestion, BeneficiaryFacts, GrantQuestion, GroupFacts, PolicySet, Resource,
    Scene, Subject, TargetFacts, UserFacts,
};

use crate::load;

const GROUP: &str = "00000000-0000-4000-8000-000000000021";

fn id(text: &str) -> PrincipalId {
    PrincipalId::parse(text).unwrap()
}

fn alice(group: &str) -> UserFacts {
    UserFacts {
        id: id("00000000-0000-4000-8000-000000000001"),
        name: "alice".to_owned(),
        email: String::new(),
        status: PrincipalStatus::Enabled,
        groups: vec![GroupFacts {
            id: id(GROUP),
            name: group.to_owned(),
        }],
    }
}

fn scene(user: UserFacts) -> Scene {
    Scene {
        subject: Subject::User(user),
        service: None,
        subject_proven: true,
        now: Timestamp::UNIX_EPOCH,
    }
}

fn wish(hours: Option<i64>) -> GrantQuestion {
    let arn = "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef";
    GrantQuestion {
        target: TargetFacts {
            instance: InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap(),
            instance_alias: "main".to_owned(),
            target: Target::Application(ApplicationArn::parse(arn).unwrap()),
            name: "Payroll".to_owned(),
            account_name: String::new(),
        },
        beneficiary: BeneficiaryFacts {
            principal: PrincipalRef {
                kind: PrincipalKind::User,
                id: alice("").id,
            },
            name: "alice".to_owned(),
            is_subject: true,
        },
        people_count: 1,
        duration: hours.map(SignedDuration::from_hours),
        justification: String::new(),
        ticket: String::new(),
        adoption: false,
    }
}

fn activation(approval_count: u64) -> ActivationQuestion {
    ActivationQuestion {
        grant: wish(Some(1)),
        path: "two".to_owned(),
        approval_count,
        approver_groups: Vec::new(),
        break_glass: false,
    }
}

const SET: &str = r#"
@id("two") @approvals("2") @approvers("group:secops")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Request", resource);
@id("default")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Request", resource);
@id("free") @approvals("0") @max_duration("none") @requires("ticket:INC-[0-9]+")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Request", resource);
@id("glass") @max_duration("2h")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"BreakGlass", resource);
@id("floor")
forbid (principal, action == Usher::Action::"Activate", resource) when { context.approval_count < 2 && !context.break_glass };
@id("no-crowds")
forbid (principal, action == Usher::Action::"Request", resource) when { context.people_count > 10 };
@id("fragile")
permit (principal, action == Usher::Action::"Request", resource) when { context.people_count + 9223372036854775799 < 1 };
"#;

#[test]
fn the_development_set_permits_everything_at_once() {
    let set = PolicySet::development();
    let scene = scene(alice("engineering"));
    let decision = set.request(&scene, &wish(None));
    assert_eq!(decision.paths.len(), 1);
    let path = &decision.paths[0];
    assert_eq!(path.policy, "usher-development-permits-all");
    assert_eq!((path.approval_count(), path.duration_max), (0, None));
    assert_eq!(decision.policy_version, "development-1");
    assert!(set.break_glass(&scene, &wish(None)).is_allowed);
    assert!(set.activate(&scene, &activation(0)).is_allowed);
    let person = Resource::User(alice("engineering"));
    assert!(set.decide(&scene, Action::ActFor, &person).is_allowed);
    assert!(!set.decide(&scene, Action::Operate, &person).is_allowed);
    assert!(!set.decide(&scene, Action::Request, &person).is_allowed);
}

#[test]
fn every_fitting_permit_is_a_path_and_every_missed_limit_is_told() {
    let set = load(SET).unwrap();
    assert_eq!(set.groups().collect::<Vec<_>>(), ["engineering"]);
    assert_eq!(set.approver_groups().collect::<Vec<_>>(), ["secops"]);
    let scene = scene(alice("engineering"));
    let mut asked = wish(Some(8));
    let decision = set.request(&scene, &asked);
    let paths: Vec<(&str, u32)> = decision
        .paths
        .iter()
        .map(|path| (path.policy.as_str(), path.approval_count()))
        .collect();
    assert_eq!(paths, [("default", 1), ("two", 2)]);
    assert_eq!(decision.near_misses.len(), 1);
    assert_eq!(decision.near_misses[0].limit, "requires");
    asked.ticket = "INC-7".to_owned();
    asked.duration = None;
    let decision = set.request(&scene, &asked);
    assert_eq!(decision.paths[0].policy, "free");
    let missed: Vec<(&str, &str, &str)> = decision
        .near_misses
        .iter()
        .map(|it| (it.policy.as_str(), it.asked.as_str(), it.allowed.as_str()))
        .collect();
    assert_eq!(
        missed,
        [
            ("default", "without end", "8h"),
            ("two", "without end", "8h")
        ]
    );
    let glass = set.break_glass(&scene, &wish(Some(3)));
    assert!(!glass.is_allowed && glass.near_misses[0].allowed == "2h");
    assert_eq!(set.break_glass(&scene, &wish(Some(2))).policies, ["glass"]);
}

#[test]
fn a_forbid_outweighs_and_a_floor_holds() {
    let set = load(SET).unwrap();
    let scene = scene(alice("engineering"));
    let mut crowd = wish(Some(1));
    crowd.people_count = 11;
    let decision = set.request(&scene, &crowd);
    assert_eq!(decision.forbidden_by, ["no-crowds"]);
    assert!(decision.paths.is_empty() && decision.near_misses.is_empty());
    let stopped = set.activate(&scene, &activation(1));
    assert_eq!(
        (stopped.is_allowed, stopped.policies),
        (false, vec!["floor".to_owned()])
    );
    let open = set.activate(&scene, &activation(2));
    assert_eq!(
        (open.is_allowed, open.policies),
        (true, vec!["usher-activate".to_owned()])
    );
}

#[test]
fn a_policy_that_cannot_be_evaluated_denies() {
    let set = load(SET).unwrap();
    let scene = scene(alice("engineering"));
    let mut large = wish(Some(1));
    large.people_count = 9;
    let decision = set.request(&scene, &large);
    assert_eq!(decision.errors, ["fragile"]);
    assert!(decision.paths.is_empty());
    let named = load("@id(\"n\") permit (principal, action == Usher::Action::\"Request\", resource is Usher::Application) when { resource.name == \"Payroll\" };").unwrap();
    let mut nameless = wish(Some(1));
    assert_eq!(named.request(&scene, &nameless).paths.len(), 1);
    nameless.target.name = String::new();
    assert_eq!(named.request(&scene, &nameless).errors, ["n"]);
    let mut late = scene;
    late.now = Timestamp::MIN;
    assert!(named.request(&late, &wish(Some(1))).paths.is_empty());
}

#[test]
fn only_an_enabled_user_is_permitted_anything() {
    for set in [load(SET).unwrap(), PolicySet::development()] {
        for status in [
            PrincipalStatus::Disabled,
            PrincipalStatus::Unknown,
            PrincipalStatus::Deleted,
        ] {
            let mut user = alice("engineering");
            user.status = status;
            let scene = scene(user);
            assert!(set.request(&scene, &wish(Some(1))).paths.is_empty());
            assert!(!set.activate(&scene, &activation(2)).is_allowed);
            assert!(
                set.explain(&scene, &usher::policy::Question::Request(&wish(None)))
                    .is_none()
            );
        }
    }
}

#[test]
fn a_group_is_met_by_name_or_id_and_a_name_like_an_id_is_nobody() {
    let by = |group: &str| {
        load(&format!(
            "@id(\"g\") permit (principal in Usher::Group::\"{group}\", action == Usher::Action::\"Request\", resource);"
        ))
        .unwrap()
    };
    let paths = |set: &PolicySet, group: &str| {
        set.request(&scene(alice(group)), &wish(Some(1)))
            .paths
            .len()
    };
    let other = "00000000-0000-4000-8000-000000000099";
    assert_eq!(paths(&by("engineering"), "engineering"), 1);
    assert_eq!(paths(&by(GROUP), "engineering"), 1);
    assert_eq!(paths(&by("operations"), "engineering"), 0);
    assert_eq!(
        paths(&by(other), other),
        0,
        "a group is renamed to another's id"
    );
}

#[test]
fn the_version_is_that_of_the_texts() {
    let (one, same) = (load(SET).unwrap(), load(SET).unwrap());
    assert_eq!(one.version(), same.version());
    assert_eq!(one.version().len(), 64);
    let other = load(&format!("{SET} ")).unwrap();
    assert_ne!(one.version(), other.version());
    assert_eq!(one.texts()[0].text, SET);
}

#[test]
fn a_set_asks_nobody_where_every_way_to_access_is_free() {
    let free = r#"@id("free") @approvals("0") permit (principal, action == Usher::Action::"Request", resource);
@id("reads") permit (principal, action == Usher::Action::"ReadGrants", resource);
@id("glass") permit (principal, action == Usher::Action::"BreakGlass", resource);
@id("floor") forbid (principal, action in [Usher::Action::"Request", Usher::Action::"Activate"], resource) when { context.people_count > 10 };
"#;
    let asks_nobody = |text: &str| load(text).unwrap().asks_nobody();
    assert!(asks_nobody(free));
    assert!(PolicySet::development().asks_nobody());
    let reads =
        r#"@id("reads") permit (principal, action == Usher::Action::"ReadGrants", resource);"#;
    assert!(!asks_nobody(reads), "there is no way to access");
    for priced in [r#"@id("one")"#, r#"@id("two") @approvals("2")"#] {
        let priced = crate::permit(priced);
        assert!(!asks_nobody(&format!("{free}{priced}")), "{priced}");
    }
}
