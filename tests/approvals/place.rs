//! A service with people in groups, a portal and a ticket system, and policies that want agreement.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{CallRecord, Group, Membership, User, World};

use crate::bench::{Bench, Client};
use crate::signer::{ISSUER, Key, key_set};
use crate::wire::Answer;

pub(crate) const ASSIGN: &str = "AccessService/Assign";
pub(crate) const REVOKE: &str = "AccessService/Revoke";
pub(crate) const APPROVE: &str = "GrantService/ApproveGrant";
pub(crate) const DENY: &str = "GrantService/DenyGrant";
pub(crate) const CANCEL: &str = "GrantService/CancelGrant";
pub(crate) const EXTEND: &str = "GrantService/ExtendGrant";
pub(crate) const REVIEW: &str = "GrantService/ReviewGrant";
pub(crate) const GET: &str = "GrantService/GetGrant";
const WHO_AM_I: &str = "DirectoryService/WhoAmI";
pub(crate) const LIST: &str = "GrantService/ListGrants";

/// Redshift by two leads, QuickSight by security and then the ticket system, the Wiki at once.
pub(crate) const POLICIES: &str = r#"
@id("redshift-by-two-leads") @approvals("2") @approvers("group:leads") @max_duration("8h")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon Redshift" };
@id("quicksight-by-steps") @steps("1 of group:security; 1 of service:tickets") @max_duration("8h")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon QuickSight" };
@id("wiki-at-once") @approvals("0") @max_duration("4h")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Wiki" };
@id("emergencies") @max_duration("1h") @requires("justification:(?s).{10,}")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"BreakGlass", resource);
@id("security-looks-afterwards")
permit (principal in Usher::Group::"security", action == Usher::Action::"Approve", resource)
when { resource.break_glass };
@id("own-grants")
permit (principal, action in [Usher::Action::"ReadGrants", Usher::Action::"Revoke"], resource is Usher::Grant)
when { resource.beneficiary_is_subject || resource.requested_by_subject };
@id("carries")
permit (principal is Usher::Service, action == Usher::Action::"ActFor", resource);
@id("catalogue")
permit (principal, action == Usher::Action::"ReadDirectory", resource);
"#;

const GROUPS: [(&str, &[&str]); 3] = [
    ("engineering", &["anna.berg", "bilal.khan"]),
    (
        "leads",
        &["carla.mendes", "dmitri.orlov", "emi.sato", "bilal.khan"],
    ),
    ("security", &["emi.sato"]),
];

/// A running service.
pub(crate) struct Place {
    pub(crate) bench: Bench,
    pub(crate) client: Client,
    key: Key,
    _files: tempfile::TempDir,
}

fn issuers(jwks_file: &Path, policy: &str) -> String {
    let file = jwks_file.display();
    format!(
        r#"
        [directory]
        max_age_seconds = 1
        miss_max_age_seconds = 1
        [policy]
        reload_seconds = 1
        {policy}
        [approvals]
        poll_seconds = 0.05
        look_again_seconds = 1
        [[authentication.issuers]]
        name = "corp"
        issuer = "{ISSUER}"
        audiences = ["usher"]
        jwks_file = "{file}"
        callers = "PERSONS"
        match_by = "USER_NAME"
        match_claim = "preferred_username"
        clients = {{ "portal-web" = "portal" }}
        [[authentication.issuers]]
        name = "cluster"
        issuer = "https://kubernetes.default.svc"
        audiences = ["usher"]
        jwks_file = "{file}"
        callers = "SERVICES"
        [authentication.issuers.clients]
        "system:serviceaccount:web:portal" = "portal"
        "system:serviceaccount:web:tickets" = "tickets"
        "#
    )
}

/// The demo world with the groups of this table.
pub(crate) fn world() -> World {
    let mut world = World::demo();
    let (group, membership) = (world.groups[0].clone(), world.memberships[0].clone());
    world.groups.clear();
    world.memberships.clear();
    for (number, (name, members)) in GROUPS.iter().enumerate() {
        world.groups.push(Group {
            group_id: format!("d4e8f4a8-0000-4000-9000-00000000000{number}"),
            display_name: (*name).to_owned(),
            ..group.clone()
        });
        for member in *members {
            join(&mut world, &membership, name, member);
        }
    }
    world.assignments.clear();
    world
}

fn join(world: &mut World, like: &Membership, group: &str, user: &str) {
    // Also after others have left.
    let number = world.memberships.iter().map(|it| &it.membership_id[34..]);
    let number = number.filter_map(|it| it.parse::<u32>().ok()).max();
    let number = number.map_or(0, |number| number + 1);
    let membership = Membership {
        group_id: world.group_named(group).unwrap().group_id.clone(),
        user_id: world.user_named(user).unwrap().user_id.clone(),
        membership_id: format!("d4e8f4a8-0000-4000-a000-0000000000{number:02}"),
        ..like.clone()
    };
    world.memberships.push(membership);
}

/// Takes somebody out of a group.
pub(crate) fn leave(world: &mut World, group: &str, user: &str) {
    let group = world.group_named(group).unwrap().group_id.clone();
    let user = world.user_named(user).unwrap().user_id.clone();
    let is_it = |it: &Membership| it.group_id == group && it.user_id == user;
    world.memberships.retain(|it| !is_it(it));
}

impl Place {
    pub(crate) async fn start() -> Self {
        Self::start_with(POLICIES).await
    }

    pub(crate) async fn start_with(policies: &str) -> Self {
        Self::start_configured(policies, "").await
    }

    /// The same with sections more in the configuration.
    pub(crate) async fn start_configured(policies: &str, more: &str) -> Self {
        Self::begin(world(), policies, ("", more)).await
    }

    /// In this world, with the policies of a folder and no others.
    pub(crate) async fn start_with_folder(world: World, folder: &Path) -> Self {
        let policy = format!("directory = \"{}\"", folder.display());
        Self::begin(world, "", (&policy, "")).await
    }

    /// With settings more of policies, and sections more.
    async fn begin(world: World, policies: &str, (policy, more): (&str, &str)) -> Self {
        let (files, key) = (tempfile::tempdir().unwrap(), Key::new("key-1"));
        let jwks = files.path().join("keys.json");
        std::fs::write(&jwks, key_set(&[&key])).unwrap();
        let config = format!("{}{more}", issuers(&jwks, policy));
        let bench = Bench::start_in(world, &config, policies).await;
        Self {
            client: bench.plain().await,
            bench,
            key,
            _files: files,
        }
    }

    /// A person's token.
    pub(crate) fn person(&self, user: &str) -> String {
        let mut claims = json!({"preferred_username": user, "sub": user, "azp": "portal-web"});
        self.set_times(&mut claims);
        self.key.token(claims)
    }

    /// Times by the service's clock, which tests set ahead.
    fn set_times(&self, claims: &mut Value) {
        let now = self.bench.clock.now().as_second();
        claims["iat"] = json!(now);
        claims["nbf"] = json!(now);
        claims["exp"] = json!(now + 600);
    }

    /// A call with these headers beside a credential.
    pub(crate) async fn call_with(
        &self,
        token: &str,
        more: &[(&str, &str)],
        method: &str,
        message: &Value,
    ) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [&[("authorization", bearer.as_str())], more].concat();
        self.client.call(method, &headers, message).await
    }

    /// A person's own call.
    pub(crate) async fn call(&self, user: &str, method: &str, message: &Value) -> Answer {
        self.call_with(&self.person(user), &[], method, message)
            .await
    }

    /// A service's call for itself, or with headers for somebody.
    pub(crate) async fn serve(
        &self,
        service: &str,
        more: &[(&str, &str)],
        method: &str,
        message: &Value,
    ) -> Answer {
        let mut claims = json!({
            "iss": "https://kubernetes.default.svc", "azp": null, "preferred_username": null,
            "sub": format!("system:serviceaccount:web:{service}"),
        });
        self.set_times(&mut claims);
        let token = self.key.token(claims);
        self.call_with(&token, more, method, message).await
    }

    /// Somebody asks for an application for an hour; answers the grant.
    pub(crate) async fn ask(&self, user: &str, application: &str) -> Value {
        let answer = self.call(user, ASSIGN, &wish(user, application)).await;
        answer.ok(ASSIGN)["grant"].clone()
    }

    /// Somebody agrees to a grant as it was shown.
    pub(crate) async fn approve(&self, user: &str, grant: &Value) -> Answer {
        self.call(user, APPROVE, &word(grant)).await
    }

    /// The grant, as one sees it who asked.
    pub(crate) async fn grant(&self, user: &str, grant: &Value) -> Value {
        let answer = self
            .call(user, GET, &json!({"grant_id": grant["id"]}))
            .await;
        answer.ok(GET)["grant"].clone()
    }

    /// The grant, once it is in that state.
    pub(crate) async fn until(&self, user: &str, grant: &Value, state: &str) -> Value {
        let started = Instant::now();
        loop {
            let seen = self.grant(user, grant).await;
            if seen["state"] == state {
                return seen;
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{state}: {seen:#}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A time so many seconds from now, as JSON has it.
    pub(crate) fn in_seconds(&self, seconds: i64) -> Value {
        let ahead = jiff::SignedDuration::from_secs(seconds);
        let at = self.bench.clock.now().checked_add(ahead).unwrap();
        json!(at.to_string())
    }

    /// Changes the world, and waits until the facts of before are too old to count: that shows
    /// nowhere.
    pub(crate) async fn change(&self, edit: impl FnOnce(&mut World)) {
        self.bench.simulator.edit_world(edit);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }

    async fn policy_version(&self) -> Value {
        let answer = self.call("anna.berg", WHO_AM_I, &json!({})).await;
        answer.ok(WHO_AM_I)["policy_version"].clone()
    }

    /// Puts other policies in force.
    pub(crate) async fn policies(&self, text: &str) {
        let (before, started) = (self.policy_version().await, Instant::now());
        self.bench.write_policies(text);
        while self.policy_version().await == before {
            assert!(started.elapsed() < Duration::from_secs(20), "not in force");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Grants that a list answers, by id.
    pub(crate) async fn listed(&self, user: &str, message: &Value) -> Vec<Value> {
        let answer = self.call(user, LIST, message).await.ok(LIST);
        let grants = answer["grants"].as_array().cloned().unwrap_or_default();
        grants.iter().map(|grant| grant["id"].clone()).collect()
    }

    /// Sets the clock ahead and wakes whoever waits for it.
    pub(crate) fn later(&self, seconds: i64) {
        self.bench
            .clock
            .advance(jiff::SignedDuration::from_secs(seconds));
    }

    /// Writes to AWS so far.
    pub(crate) fn writes(&self) -> Vec<String> {
        let calls = self.bench.simulator.calls();
        let operations = calls.into_iter().map(|call| call.operation);
        let is_write = |it: &String| it.starts_with("Create") || it.starts_with("Delete");
        operations.filter(is_write).collect()
    }
}

pub(crate) fn wish(user: &str, application: &str) -> Value {
    json!({
        "principal": {"user": user}, "target": {"application": application},
        "duration": "3600s", "justification": "the quarterly report", "ticket": "INC-42",
    })
}

/// What a reviewer sends of a grant that was shown.
pub(crate) fn word(grant: &Value) -> Value {
    json!({"grant_id": grant["id"], "digest": grant["digest"], "reason": "looked at it"})
}

/// A request for a group.
pub(crate) fn wish_of_group(group: &str, application: &str) -> Value {
    let mut wish = wish("", application);
    wish["principal"] = json!({"group": group});
    wish
}

/// Who has said something, oldest word first, by user name; a service by its own.
pub(crate) fn speakers(grant: &Value) -> Vec<String> {
    let reviews = grant["reviews"].as_array().cloned().unwrap_or_default();
    let name = |review: &Value| {
        let name = review["reviewer_name"].as_str().unwrap_or_default();
        let name = Some(name).filter(|name| !name.is_empty());
        name.or(review["reviewer"].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    reviews.iter().map(name).collect()
}

/// A person of the world.
pub(crate) fn person_of<'a>(world: &'a mut World, user: &str) -> &'a mut User {
    let is_it = |it: &&mut User| it.user_name == user;
    world.users.iter_mut().find(is_it).unwrap()
}

/// Takes somebody into a group.
pub(crate) fn enter(world: &mut World, group: &str, user: &str) {
    let like = world.memberships[0].clone();
    join(world, &like, group, user);
}

/// Calls of AWS whose operations begin so and that name this principal.
pub(crate) fn calls_about(place: &Place, operation: &str, principal_id: &str) -> usize {
    let is_it = |call: &CallRecord| {
        call.operation.starts_with(operation) && call.input["PrincipalId"] == principal_id
    };
    let calls = place.bench.simulator.calls();
    calls.iter().filter(|call| is_it(call)).count()
}

/// The id of a person of the world.
pub(crate) fn id_of(place: &Place, user: &str) -> String {
    let world = place.bench.simulator.world();
    world.user_named(user).unwrap().user_id.clone()
}

/// How often an event is in the timeline of a grant.
pub(crate) fn count(grant: &Value, event: &str) -> usize {
    let timeline = grant["timeline"].as_array().unwrap();
    let event = format!("GRANT_EVENT_TYPE_{event}");
    timeline.iter().filter(|it| it["type"] == *event).count()
}

#[track_caller]
pub(crate) fn refused(what: &str, answer: &Answer, code: Code, reason: &str) {
    crate::bench::check_refused(what, answer, code, reason);
}
