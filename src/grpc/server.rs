//! The server: its services, its bounds, and how it stops.
//!
//! Stopping: NOT_SERVING first, then no new calls and the end of long streams, then open calls may
//! end for a bounded time.
//! tonic's own graceful shutdown can wait for ever for one silent peer; ours does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::access::{AccessService, OpenReports};
use super::budget::BudgetService;
use super::call_metrics::CallMetrics;
use super::connections::{Acceptance, accept};
use super::directory::DirectoryService;
use super::events::EventService;
use super::gate::{Gate, GateRules};
use super::grants::GrantService;
use super::health::Health;
use super::inbound::{Inbound, RefusedInbound};
use super::limits::LimitsConfig;
use super::observed::Observed;
use super::operations::OperationsService;
use super::pb;
use super::tls::Tls;
use super::watches::OpenWatches;
use super::written_grants::WrittenGrants;
use crate::app::App;
use crate::authentication::Authenticator;
use crate::metrics::Source;

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The descriptors do not fit together.
    #[error("the reflection service cannot be built: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// A bound server that is ready to serve.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
    authenticator: Authenticator,
    limits: LimitsConfig,
    tls: Option<Tls>,
    metrics: Arc<CallMetrics>,
    refused_inbound: RefusedInbound,
}

impl Server {
    /// Takes the address. Connections wait in the backlog until `serve`. Without `tls` nothing is
    /// encrypted: who starts it sees to it that the address is loopback.
    ///
    /// # Errors
    /// `Listen`.
    pub async fn bind(
        address: SocketAddr,
        app: App,
        authenticator: Authenticator,
        limits: LimitsConfig,
        tls: Option<Tls>,
    ) -> Result<Self, ServeError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Listen { address, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| ServeError::Listen { address, source })?;
        Ok(Self {
            listener,
            address,
            app,
            authenticator,
            limits,
            tls,
            metrics: Arc::new(CallMetrics::new()),
            refused_inbound: RefusedInbound::default(),
        })
    }

    /// The address it listens on, with the port that was chosen for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts of calls, from the first one on.
    #[must_use]
    pub fn metrics(&self) -> Arc<dyn Source> {
        self.metrics.clone()
    }

    /// The counts of calls that the inbound limits refuse. They go on counting while it serves.
    #[must_use]
    pub fn refused_inbound(&self) -> RefusedInbound {
        self.refused_inbound.clone()
    }

    /// Serves until `stop`, then drains for at most the configured time.
    ///
    /// # Errors
    /// `Reflection`, `Transport`.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), ServeError> {
        let limits = self.limits;
        let draining = CancellationToken::new();
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let health = Health::new(reporter);
        health.serves().await;
        let app = self.app.clone();
        let authenticator = Arc::new(self.authenticator);
        let tls = self.tls.map(Arc::new);
        let rules = GateRules {
            authenticator: authenticator.clone(),
            refused_calls: self.app.refused_calls(),
            inbound: Inbound::new(&limits, self.refused_inbound),
            limits: limits.clone(),
            draining: draining.clone(),
        };
        let routes = services(self.app, &limits)?.add_service(health_service);
        let closing = CancellationToken::new();
        let acceptance = Acceptance {
            connections_max: limits.connections_max,
            preface_time_max: Duration::from_secs(limits.first_byte_seconds_max),
            life_max: Duration::from_secs(
                limits.connection_age_seconds_max + limits.connection_grace_seconds,
            ),
            tls: tls.clone(),
            stop: closing.clone(),
        };
        let connections = accept(self.listener, acceptance);
        let serving = transport(&limits).serve_with_incoming_shutdown(
            Observed::new(Gate::new(rules, routes.prepare()), self.metrics),
            connections,
            closing.clone().cancelled_owned(),
        );
        let stopping = async {
            stop.cancelled().await;
            health.ends().await;
            draining.cancel();
            closing.cancel();
            tokio::time::sleep(Duration::from_secs(limits.drain_seconds_max)).await;
        };
        let ended = CancellationToken::new();
        tokio::select! {
            served = serving => served.map_err(ServeError::from),
            () = stopping => {
                tracing::warn!("some calls did not end in time and are cut");
                Ok(())
            }
            // Ends with `stop`, and keeps the others from ending before.
            () = async {
                health.follow(&app, &stop).await;
                std::future::pending::<()>().await;
            } => Ok(()),
            // Calls that drain may still need new keys; this ends with the server, not with `stop`.
            () = keep_credentials(&authenticator, tls, &ended) => Ok(()),
        }
    }
}

/// Keeps keys and certificates young until the server has ended.
async fn keep_credentials(
    authenticator: &Authenticator,
    tls: Option<Arc<Tls>>,
    ended: &CancellationToken,
) {
    let certificates = async {
        match tls {
            Some(tls) => tls.run(ended.clone()).await,
            None => ended.cancelled().await,
        }
    };
    tokio::join!(authenticator.run(ended.clone()), certificates);
}

/// Metadata up to this size is read, in bytes, so that a credential of 64 KiB is refused with a
/// reason and a line in the log. The transport refuses what is larger without either.
const METADATA_READ_BYTES: u32 = 96 * 1024;

/// A connection of that age is asked to go. tonic's own grace would keep it from asking (0.14.9:
/// with both it closes at the end of the grace and says nothing before): `Connection` ends it.
fn transport(limits: &LimitsConfig) -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(limits.streams_per_connection_max)
        .http2_max_header_list_size(limits.metadata_bytes_max.max(METADATA_READ_BYTES))
        .http2_keepalive_interval(Some(Duration::from_secs(limits.keepalive_interval_seconds)))
        .http2_keepalive_timeout(Some(Duration::from_secs(limits.keepalive_timeout_seconds)))
        .max_connection_age(Duration::from_secs(limits.connection_age_seconds_max))
}

fn services(app: App, limits: &LimitsConfig) -> Result<Routes, ServeError> {
    let size = limits.message_bytes_max;
    let access = AccessService::new(app.clone(), OpenReports::new(limits));
    let access = pb::access_service_server::AccessServiceServer::new(access)
        .max_decoding_message_size(limits.text_message_bytes_max);
    let watches = OpenWatches::new(limits);
    let grants = pb::grant_service_server::GrantServiceServer::new(GrantService {
        app: app.clone(),
        watches: watches.clone(),
        written: WrittenGrants::default(),
    });
    let grants = grants.max_decoding_message_size(size);
    let events = EventService {
        app: app.clone(),
        watches,
    };
    let events =
        pb::event_service_server::EventServiceServer::new(events).max_decoding_message_size(size);
    let operations = OperationsService(app.clone());
    let operations = pb::operations_service_server::OperationsServiceServer::new(operations)
        .max_decoding_message_size(size);
    let budget = pb::budget_service_server::BudgetServiceServer::new(BudgetService(app.clone()))
        .max_decoding_message_size(size);
    let directory =
        pb::directory_service_server::DirectoryServiceServer::new(DirectoryService(app));
    let directory = directory.max_decoding_message_size(size);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // With google.rpc registered, grpcurl prints error details in clear.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Routes::new(access)
        .add_service(grants)
        .add_service(directory)
        .add_service(events)
        .add_service(operations)
        .add_service(budget)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
