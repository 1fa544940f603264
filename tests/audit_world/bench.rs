//! A simulated AWS with the real adapter on it, and reports as a client receives them.

use std::sync::Arc;
use std::time::Duration;
use usher::clock::Clock;

use tokio::sync::mpsc;
use usher::audit::{
    self, AuditConfig, Header, InstanceToRead, KnownCounts, Part, Peers, ReportRequest, Reuse,
    RunError, Scope, Summary,
};
use usher::budget::{Budget, BudgetConfig};
use usher::domain::external::ExternalRules;
use usher::domain::report::{
    Batch, ChangeRow, DuplicateUserRow, FindingRow, Format, InstanceRow, Row, View,
};
use usher::domain::{Instance, InstanceArn};
use usher::identity_center::{
    AwsConfig, Call, Class, Demand, IdentityCenter, SdkIdentityCenter, StaticCredentials, WriteMode,
};
use usher::simulator::{Settings, Simulator, SimulatorOptions, World, WorldSizes};
use usher::store::{FinishedCollection, SqliteStore, Store};

/// Makes a report and takes it as a client does.
pub(crate) async fn receive(
    port: Arc<dyn IdentityCenter>,
    store: Option<Arc<SqliteStore>>,
    request: ReportRequest,
) -> Report {
    receive_at(port, store, request, Clock::system()).await
}

/// The same by a clock.
pub(crate) async fn receive_at(
    port: Arc<dyn IdentityCenter>,
    store: Option<Arc<SqliteStore>>,
    request: ReportRequest,
    clock: Clock,
) -> Report {
    let (sink, mut parts) = mpsc::channel(8);
    let running = tokio::spawn(async move {
        let store = store.as_deref().map(|store| store as &dyn Store);
        let config = AuditConfig::default();
        audit::run(&request, port.as_ref(), store, &clock, &config, sink).await
    });
    let mut report = Report::default();
    let (mut header, mut summary) = (None, None);
    while let Some(part) = parts.recv().await {
        match part {
            Part::Header(found) => header = Some(found),
            Part::Rows(Batch::Assigned(found)) => report.rows.extend(found),
            Part::Rows(Batch::Instances(found)) => report.instances.extend(found),
            Part::Rows(Batch::DuplicateUsers(found)) => report.duplicate_users.extend(found),
            Part::Rows(Batch::Findings(found)) => report.findings.extend(found),
            Part::Text(found) => report.text.push_str(&found),
            Part::Rows(Batch::Changes(found)) => report.changes.extend(found),
            Part::Progress(_) => {}
            Part::Summary(found) => summary = Some(*found),
        }
    }
    report.learnt = running.await.expect("no panic").expect("a report");
    report.header = header;
    report.summary = summary.expect("a summary");
    report
}

/// A simulated AWS with the adapter on it.
pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) port: Arc<SdkIdentityCenter>,
    pub(crate) instance: Instance,
}

/// A report as it was received.
#[derive(Default)]
pub(crate) struct Report {
    header: Option<Header>,
    pub(crate) rows: Vec<Row>,
    pub(crate) instances: Vec<InstanceRow>,
    pub(crate) duplicate_users: Vec<DuplicateUserRow>,
    pub(crate) findings: Vec<FindingRow>,
    pub(crate) changes: Vec<ChangeRow>,
    pub(crate) text: String,
    pub(crate) summary: Summary,
    pub(crate) learnt: Vec<(InstanceArn, KnownCounts)>,
}

impl Report {
    pub(crate) fn header(&self) -> &Header {
        self.header.as_ref().expect("a header")
    }

    /// The operations that it says it used.
    pub(crate) fn operations(&self) -> u64 {
        let used = self.summary.operations_used.iter();
        used.map(|(_, count)| count).sum()
    }
}

impl Bench {
    pub(crate) async fn new(world: World, settings: Settings, budget: BudgetConfig) -> Self {
        let options = SimulatorOptions {
            settings,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world, options).await.expect("a simulator");
        let config = AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(simulator.endpoint_url()),
            ..AwsConfig::default()
        };
        let credentials = StaticCredentials::simulated();
        let budget = Budget::new(budget).expect("a budget");
        let port = SdkIdentityCenter::connect_with_credentials(
            &config,
            &credentials,
            budget,
            WriteMode::Never,
        );
        let port = Arc::new(port.expect("an adapter"));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let mut instances = (port
            .instances(Call {
                deadline,
                demand: Demand::usher(Class::Read),
            })
            .await)
            .expect("its instances");
        let instance = instances.remove(0).instance;
        Self {
            simulator,
            port,
            instance,
        }
    }

    /// A generated world, as fast as the machine goes.
    pub(crate) async fn quick(seed: u64) -> Self {
        Self::quick_of(seed, &sizes()).await
    }

    /// The same with accounts, of an organization whose instance it is.
    pub(crate) async fn quick_with_accounts(seed: u64) -> Self {
        let sizes = WorldSizes {
            accounts: 8,
            permission_sets: 6,
            assignments_per_account: 5,
            ..sizes()
        };
        Self::quick_of(seed, &sizes).await
    }

    async fn quick_of(seed: u64, sizes: &WorldSizes) -> Self {
        let budget = BudgetConfig {
            sso_admin_per_second: 1000,
            identity_store_per_second: 1000,
            burst: 1000,
            ..BudgetConfig::default()
        };
        let settings = Settings {
            odd_page_rate: 0.3,
            omitted_list_rate: 1.0,
            ..Settings::unlimited()
        };
        Self::new(World::generate(seed, sizes), settings, budget).await
    }

    pub(crate) async fn report(&self, view: View, format: Format, scope: Scope) -> Report {
        self.report_with(None, view, format, scope).await
    }

    /// Takes the first part of a report and hangs up; answers how the report ended.
    pub(crate) async fn hang_up(&self) -> Result<Vec<(InstanceArn, KnownCounts)>, RunError> {
        let request = self.request(View::Access, Format::Csv, Scope::default());
        let (sink, mut parts) = mpsc::channel(1);
        let port = Arc::clone(&self.port);
        let running = tokio::spawn(async move {
            audit::run(
                &request,
                port.as_ref(),
                None,
                &Clock::system(),
                &AuditConfig::default(),
                sink,
            )
            .await
        });
        parts.recv().await.expect("a header");
        drop(parts);
        running.await.expect("no panic")
    }

    pub(crate) fn request(&self, view: View, format: Format, scope: Scope) -> ReportRequest {
        ReportRequest {
            instances: vec![InstanceToRead {
                instance: self.instance.clone(),
                known: KnownCounts::default(),
                kept: None,
                reuse: Reuse::default(),
            }],
            peers: Peers::default(),
            unreachable: Vec::new(),
            missing: Vec::new(),
            view,
            format,
            scope,
            demand: Demand::usher(Class::Audit),
            compared: None,
            external: ExternalRules::default(),
            validate_only: false,
        }
    }

    /// A report that a store explains.
    pub(crate) async fn report_with(
        &self,
        store: Option<Arc<SqliteStore>>,
        view: View,
        format: Format,
        scope: Scope,
    ) -> Report {
        let request = self.request(view, format, scope);
        let port: Arc<dyn IdentityCenter> = Arc::clone(&self.port) as Arc<dyn IdentityCenter>;
        receive(port, store, request).await
    }

    /// A report from what the store keeps.
    pub(crate) async fn kept_report(
        &self,
        store: &Arc<SqliteStore>,
        kept: &FinishedCollection,
        view: View,
    ) -> Report {
        let mut request = self.request(view, Format::Rows, Scope::default());
        for instance in &mut request.instances {
            instance.kept = Some(kept.clone());
        }
        let port: Arc<dyn IdentityCenter> = Arc::clone(&self.port) as Arc<dyn IdentityCenter>;
        receive(port, Some(Arc::clone(store)), request).await
    }

    pub(crate) async fn access(&self) -> Report {
        let scope = Scope::default();
        self.report(View::Access, Format::Rows, scope).await
    }

    /// An application that requires assignments and has some, and one that is open.
    pub(crate) fn telling_applications(&self) -> (String, String) {
        let world = self.simulator.world();
        let find = |required: bool| {
            let row = world.applications.iter().find(|row| {
                row.assignment_configuration_supported
                    && row.assignment_required == required
                    && !world.assignments_of(&row.application_arn).is_empty()
            });
            row.expect("such an application").application_arn.clone()
        };
        (find(true), find(false))
    }
}

/// The sizes of the acceptance criterion.
pub(crate) fn sizes() -> WorldSizes {
    WorldSizes {
        applications: 20,
        groups: 100,
        users: 500,
        ..WorldSizes::default()
    }
}
