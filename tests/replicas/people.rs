//! People with tokens of their own at every replica, and policies by which two leads must agree.

use std::net::SocketAddr;

use serde_json::json;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use usher::simulator::{Group, World};

use super::signer::{ISSUER, Key, key_set};

/// What two leads must agree to; everything else opens at once.
pub(crate) const AGREED_TO: &str = "Amazon Redshift";
pub(crate) const LEADS: [&str; 2] = ["carla.mendes", "dmitri.orlov"];
pub(crate) const REQUESTER: &str = "anna.berg";

const POLICIES: &str = r#"
@id("by-two-leads") @approvals("2") @approvers("group:leads") @max_duration("none")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon Redshift" };
@id("at-once") @approvals("0") @max_duration("none")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
unless { resource.name == "Amazon Redshift" };
@id("takes-back-and-looks")
permit (principal, action in [Usher::Action::"Revoke", Usher::Action::"ReadGrants",
    Usher::Action::"ReadDirectory"], resource);
"#;

/// Whose tokens the replicas trust.
pub(crate) struct People {
    key: Key,
    files: tempfile::TempDir,
}

/// A channel whose calls carry a person's token.
pub(crate) type PersonChannel = InterceptedService<Channel, Bearer>;

/// Adds a token to every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let headers = request.metadata_mut();
        headers.insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl People {
    /// Makes their key and the policies.
    pub(crate) fn new() -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let key = Key::new("key-1");
        std::fs::write(files.path().join("keys.json"), key_set(&[&key])).expect("a file");
        let policies = files.path().join("policies");
        std::fs::create_dir(&policies).expect("a directory");
        std::fs::write(policies.join("all.cedar"), POLICIES).expect("a file");
        Self { key, files }
    }

    /// The sections of the configuration.
    pub(crate) fn sections(&self) -> String {
        let files = self.files.path().display();
        format!(
            r#"
            [policy]
            directory = "{files}/policies"
            [approvals]
            poll_seconds = 0.1
            [[authentication.issuers]]
            name = "corp"
            issuer = "{ISSUER}"
            audiences = ["usher"]
            jwks_file = "{files}/keys.json"
            callers = "PERSONS"
            match_by = "USER_NAME"
            match_claim = "preferred_username"
            clients = {{ "portal-web" = "portal" }}
            "#
        )
    }

    /// A person's channel to a replica.
    pub(crate) fn channel(&self, address: SocketAddr, user: &str) -> PersonChannel {
        // Ten thousand races take longer than the ten minutes that a token lives otherwise.
        let until = jiff::Timestamp::now().as_second() + 3600;
        let claims =
            json!({"preferred_username": user, "sub": user, "azp": "portal-web", "exp": until});
        let token = format!("Bearer {}", self.key.token(claims));
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let channel = endpoint.expect("an address").connect_lazy();
        InterceptedService::new(channel, Bearer(token.parse().expect("a header")))
    }
}

/// Has a group of leads in a world.
pub(crate) fn add_leads(world: &mut World) {
    let (group, membership) = (world.groups[0].clone(), world.memberships[0].clone());
    let group_id = "d4e8f4a8-0000-4000-9100-000000000001".to_owned();
    for (number, lead) in LEADS.iter().enumerate() {
        let user_id = world.user_named(lead).expect("a lead").user_id.clone();
        let mut membership = membership.clone();
        membership.membership_id = format!("d4e8f4a8-0000-4000-9200-{number:012}");
        membership.group_id = group_id.clone();
        membership.user_id = user_id;
        world.memberships.push(membership);
    }
    world.groups.push(Group {
        group_id,
        display_name: "leads".to_owned(),
        ..group
    });
}
