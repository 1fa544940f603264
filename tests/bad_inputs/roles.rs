//! An instance whose role cannot be assumed: told as such, and not as missing credentials.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::Code;
use usher::app::{App, Parts, RefusedCalls};
use usher::authentication::{Authenticator, DevelopmentTokens};
use usher::budget::{Budget, BudgetConfig};
use usher::clock::Clock;
use usher::config::Config;
use usher::directory::Directory;
use usher::domain::external::ExternalRules;
use usher::grpc::Server;
use usher::identity_center::{
    AssumedRole, AwsConfig, Call, Class, Demand, IdentityCenter, Instances, RegionAndRole,
    SdkIdentityCenter, StaticCredentials, WriteMode,
};
use usher::policy::{PolicyInForce, PolicySet};
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};
use usher::store::{SqliteStore, Store};

use crate::bench::{CALLER, assign};
use crate::check::{check_answer, refusal};
use crate::wire::{Answer, Connection, GRPC, encode, frame, post};

const ASSIGN: &str = "AccessService/Assign";

/// A port that has to assume a role which trusts nobody here, and the instance it should reach.
async fn without_its_role(
    simulator: &Simulator,
) -> (Arc<dyn IdentityCenter>, usher::domain::Instance) {
    let config = AwsConfig {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(simulator.endpoint_url()),
        ..AwsConfig::default()
    };
    let credentials = StaticCredentials::simulated();
    let budget = || Budget::new(BudgetConfig::default()).unwrap();
    let home = SdkIdentityCenter::connect_with_credentials(
        &config,
        &credentials,
        budget(),
        WriteMode::LoopbackOnly,
    )
    .unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let listed = home
        .instances(Call {
            deadline,
            demand: Demand::usher(Class::Read),
        })
        .await
        .unwrap();
    let role = AssumedRole::new("arn:aws:iam::222233334444:role/nobody", None).unwrap();
    let wanted = RegionAndRole {
        region: None,
        role: Some(role),
    };
    let port = home.for_instance(wanted, budget());
    (Arc::new(port), listed[0].instance.clone())
}

/// An Assign on that instance.
pub(crate) async fn call_without_the_role() -> Answer {
    let options = SimulatorOptions {
        settings: Settings::unlimited(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(World::demo(), options).await.unwrap();
    let (port, instance) = without_its_role(&simulator).await;
    let data = tempfile::tempdir().unwrap();
    let config = Config::default();
    let store = SqliteStore::open(data.path(), config.store.clone()).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap());
    let clock = Clock::system();
    let app = App::new(Parts {
        directory: Directory::new(
            Arc::clone(&port),
            Arc::clone(&store),
            clock.clone(),
            config.directory,
        ),
        refused_calls: RefusedCalls::new(store.clone(), clock.clone(), config.refused_calls).0,
        store,
        port,
        policy: PolicyInForce::new(PolicySet::development()),
        instances: Instances::new(vec![instance]),
        config: config.service,
        account_changes_max: 10,
        approvals: config.approvals,
        audit: config.audit,
        external: ExternalRules::default(),
        log: config.log,
        clock,
        stopping: CancellationToken::new(),
    });
    let tokens = DevelopmentTokens::open(data.path()).unwrap();
    let caller = usher::domain::CallerName::parse(CALLER).unwrap();
    let now = jsonwebtoken::get_current_timestamp();
    let credential = format!("Bearer {}", tokens.sign(&caller, now, 3600).unwrap());
    let address = ([127, 0, 0, 1], 0).into();
    let authenticator = Authenticator::start(&config.authentication, Some(tokens), Clock::system());
    let authenticator = authenticator.await.unwrap();
    let server = Server::bind(
        address,
        app.await.unwrap(),
        authenticator,
        config.limits,
        None,
    );
    let server = server.await.unwrap();
    let address = server.address();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(stop.clone()));
    let connection = Connection::open(address).await;
    let headers = [GRPC, &[("authorization", credential.as_str())]].concat();
    let body = frame(&encode(ASSIGN, &assign()));
    let answer = connection
        .exchange(post(ASSIGN, &headers), Some(body))
        .await;
    drop(connection);
    stop.cancel();
    serving.await.unwrap().unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_cannot_be_assumed_is_told_as_such() {
    let answer = call_without_the_role().await;
    let expected = refusal(Code::FailedPrecondition, "ROLE_NOT_ASSUMED");
    check_answer("role", &answer, expected);
}
