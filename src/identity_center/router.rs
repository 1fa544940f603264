//! One port for every instance: each call goes to the port of the instance that its arguments name.
//!
//! No route is ever guessed: an instance that nobody serves is not found. Questions that name no
//! instance (who am I, which accounts has my organization) are asked at home.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::IdentityCenter;
use crate::domain::{ErrorKind, Failure, InstanceArn, Operation};

pub(super) type Port = Arc<dyn IdentityCenter>;

/// The port of all instances. Shared; the routes can be replaced while calls are under way, which
/// end where they began.
pub struct InstanceRouter {
    pub(super) home: Port,
    routes: RwLock<Routes>,
}

#[derive(Clone, Default)]
struct Routes {
    /// By instance id.
    by_instance: HashMap<String, Port>,
    /// Every port but home that ever was here, once: what they sent still counts.
    ports: Vec<Port>,
}

impl std::fmt::Debug for InstanceRouter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let routes = self.routes();
        let mut instances: Vec<_> = routes.by_instance.keys().collect();
        instances.sort();
        formatter
            .debug_struct("InstanceRouter")
            .field("instances", &instances)
            .finish_non_exhaustive()
    }
}

impl InstanceRouter {
    /// A router without routes.
    #[must_use]
    pub fn new(home: Port) -> Self {
        Self {
            home,
            routes: RwLock::default(),
        }
    }

    /// Serves these instances from now on, and no others. `others` are ports that were used to find
    /// them and serve none: their operations count.
    pub fn set_routes(&self, instances: Vec<(InstanceArn, Port)>, others: Vec<Port>) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let ports = instances.iter().map(|(_, port)| port).chain(&others);
        for port in ports {
            let is_known = std::iter::once(&self.home)
                .chain(&routes.ports)
                .any(|known| is_same(known, port));
            if !is_known {
                routes.ports.push(Arc::clone(port));
            }
        }
        routes.by_instance = instances
            .into_iter()
            .map(|(arn, port)| (arn.instance_id().to_owned(), port))
            .collect();
    }

    fn routes(&self) -> std::sync::RwLockReadGuard<'_, Routes> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn port(&self, instance_id: &str) -> Option<Port> {
        self.routes().by_instance.get(instance_id).cloned()
    }

    /// The port of an instance, on the way to this operation.
    pub(super) fn route(&self, instance_id: &str, operation: Operation) -> Result<Port, Failure> {
        self.port(instance_id)
            .ok_or_else(|| Failure::new(ErrorKind::NotFound, operation))
    }

    /// Home and every other port, once.
    pub(super) fn all(&self) -> Vec<Port> {
        let mut all = vec![Arc::clone(&self.home)];
        all.extend(self.routes().ports.iter().cloned());
        all
    }
}

/// Whether it is the same port, not an equal one.
fn is_same(left: &Port, right: &Port) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(left), Arc::as_ptr(right))
}
