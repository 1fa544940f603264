//! Policies that change in the middle of a call: one set decides the whole of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{Fault, FaultAction};

use crate::bench::{Bench, Client, check_refused};
use crate::signer::{Key, key_set};
use crate::tokens::{issuers, service_account};

const ASSIGN: &str = "AccessService/Assign";
const WHO: &str = "DirectoryService/WhoAmI";
/// The portal acts for engineers, who get what they want; that groups matter makes the call read
/// them, after it has taken its set.
const OPEN: &str = r#"
@id("acts") permit (principal, action == Usher::Action::"ActFor", resource in Usher::Group::"engineering");
@id("asks") @approvals("0") @max_duration("none")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Request", resource);
"#;
/// The same, and each of the three questions that the call asks is forbidden.
const SHUT: &str = r#"
@id("shut") forbid (principal, action in [Usher::Action::"ActFor", Usher::Action::"Activate", Usher::Action::"Request"], resource);
"#;
/// Longer than it takes until changed files are in force.
const SLOW_MILLISECONDS: u64 = 6000;

struct Portal {
    client: Client,
    account: String,
}

impl Portal {
    /// The version of the set in force; no user is looked up for it.
    async fn version(&self) -> Value {
        let headers = [("authorization", self.account.as_str())];
        let answer = self.client.call(WHO, &headers, &json!({})).await;
        answer.ok(WHO)["policy_version"].clone()
    }

    async fn until_version_is_not(&self, before: &Value) -> Value {
        let started = Instant::now();
        loop {
            let version = self.version().await;
            if version != *before {
                return version;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "not in force");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn assign(&self, user: &str) -> crate::wire::Answer {
        let message = json!({
            "principal": {"user": user}, "target": {"application": "Amazon Redshift"},
            "duration": "3600s",
        });
        let headers = [
            ("authorization", self.account.as_str()),
            ("usher-on-behalf-of", user),
        ];
        self.client.call(ASSIGN, &headers, &message).await
    }

    /// An Assign that is under way, held up by AWS where it reads the user's groups, while other
    /// policies come into force: the answer, and their version.
    async fn assign_while(
        &self,
        bench: &Bench,
        user: &str,
        policies: &str,
    ) -> (crate::wire::Answer, Value) {
        let before = self.version().await;
        let slow = FaultAction::DelayBeforeEffect {
            milliseconds: SLOW_MILLISECONDS,
        };
        let operation = "ListGroupMembershipsForMember";
        let read_before = reads(bench, operation);
        bench.simulator.add_fault(Fault::new(operation, slow));
        let started = Instant::now();
        let changing = async {
            while reads(bench, operation) == read_before {
                assert!(started.elapsed() < Duration::from_secs(30), "not under way");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            bench.write_policies(policies);
            let version = self.until_version_is_not(&before).await;
            (version, Instant::now())
        };
        let asking = async { (self.assign(user).await, Instant::now()) };
        let ((answer, answered_at), (version, changed_at)) = tokio::join!(asking, changing);
        assert!(
            changed_at < answered_at,
            "the change came too late to show anything"
        );
        bench.simulator.clear_faults();
        (answer, version)
    }
}

/// How many reads of a kind have reached AWS.
fn reads(bench: &Bench, operation: &str) -> usize {
    let calls = bench.simulator.calls();
    calls
        .iter()
        .filter(|call| call.operation == operation)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_decided_by_one_set_whatever_comes_into_force_meanwhile() {
    let (files, key) = (tempfile::tempdir().unwrap(), Key::new("key-1"));
    let jwks = files.path().join("keys.json");
    std::fs::write(&jwks, key_set(&[&key])).unwrap();
    let config = format!("{}[policy]\nreload_seconds = 1\n", issuers(&jwks));
    let bench = Bench::start_with(&config, OPEN).await;
    let portal = Portal {
        client: bench.plain().await,
        account: format!("Bearer {}", key.token(service_account(json!({})))),
    };
    let open = portal.version().await;
    let (answer, shut) = portal
        .assign_while(&bench, "anna.berg", &format!("{OPEN}{SHUT}"))
        .await;
    let grant = answer.ok(ASSIGN)["grant"].clone();
    assert_eq!(grant["policy_version"], open);
    assert_eq!(grant["policies"], json!(["asks", "usher-activate"]));
    // The next call is decided by the new set.
    let next = portal.assign("anna.berg").await;
    check_refused("next", &next, Code::PermissionDenied, "POLICY_DENIED");
    assert_eq!(json!(version_of(&next)), shut);

    // And the other way round: what was forbidden when the call began stays so to its end.
    let (answer, open_again) = portal.assign_while(&bench, "bilal.khan", OPEN).await;
    check_refused("shut", &answer, Code::PermissionDenied, "POLICY_DENIED");
    assert_eq!(json!(version_of(&answer)), shut);
    assert_eq!(open_again, open);
    let next = portal.assign("bilal.khan").await.ok(ASSIGN)["grant"].clone();
    assert_eq!(next["policy_version"], open);
    drop(portal);
    bench.end().await;
}

fn version_of(answer: &crate::wire::Answer) -> String {
    let details = answer.details();
    details.error_info().unwrap().metadata["policyVersion"].clone()
}
