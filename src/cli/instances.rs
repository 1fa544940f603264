//! The instances of a command: found in every account that the configuration means, named in the log,
//! and, in a service, looked for again and again. An instance that was once found never goes because
//! a look failed: only a look that went well and did not show it takes it off the list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use super::connect::{explain, look_call, start_call};
use crate::config::Config;
use crate::domain::{Failure, Instance, InstanceArn, InstanceKind};
use crate::identity_center::{
    Discovered, Discoverer, IdentityCenter, InstanceRouter, Instances, SdkIdentityCenter,
    UnreachableAccount,
};
use crate::store::Store;

/// The most reasons that a refusal to start tells.
const REASONS_TOLD_MAX: usize = 5;

type Port = Arc<dyn IdentityCenter>;
type Served = (Instance, Port);

/// Finds the instances and keeps their list and the routes to them.
pub(super) struct InstanceKeeper {
    discoverer: Discoverer,
    router: Arc<InstanceRouter>,
    instances: Instances,
    served: Vec<Served>,
    /// Every instance that ever was served, with its latest port. Their routes stay: what is under
    /// way with one that went from the list gets AWS's answer, and not one that looks like AWS's.
    known: HashMap<InstanceArn, Port>,
    look_call_time: Duration,
    refresh_every: Duration,
    concurrency_max: usize,
}

impl InstanceKeeper {
    /// Finds the instances now. Accounts that cannot be looked into are named in the log.
    ///
    /// # Errors
    /// A sentence, when there is no instance to work with.
    pub(super) async fn find(
        home: Arc<SdkIdentityCenter>,
        config: &Config,
    ) -> Result<Self, String> {
        let mut keeper = Self {
            router: Arc::new(InstanceRouter::new(Arc::clone(&home) as Port)),
            discoverer: discoverer(home, config),
            instances: Instances::default(),
            served: Vec::new(),
            known: HashMap::new(),
            look_call_time: look_call_time(config),
            refresh_every: Duration::from_secs(config.discovery.refresh_seconds),
            concurrency_max: config.discovery.concurrency_max.max(1),
        };
        let found = keeper.look().await.map_err(|failure| explain(&failure))?;
        if found.instances.is_empty() {
            return Err(nothing_found(&found.unreachable));
        }
        tell_lost_aliases(config, &found);
        keeper.take(found);
        Ok(keeper)
    }

    /// The port of all of them.
    pub(super) fn router(&self) -> Arc<InstanceRouter> {
        Arc::clone(&self.router)
    }

    /// The list.
    pub(super) fn instances(&self) -> Instances {
        self.instances.clone()
    }

    /// Reads each identity store once: a missing permission shows now, and an endpoint that is not
    /// loopback is seen before anything could be written.
    ///
    /// # Errors
    /// A sentence, when not one of them can be read.
    pub(super) async fn try_identity_stores(&self) -> Result<(), String> {
        let mut reads = stream::iter(self.instances.all())
            .map(|instance| async move {
                let read = self.router.groups(&instance, None, 1, start_call()).await;
                (instance, read.map(|_| ()))
            })
            .buffer_unordered(self.concurrency_max);
        let (mut is_one_good, mut first_failure) = (false, None);
        while let Some((instance, read)) = reads.next().await {
            match read {
                Ok(()) => is_one_good = true,
                Err(failure) => {
                    let why = explain(&failure);
                    tracing::warn!(instance = %instance.arn, why, "an identity store cannot be read");
                    first_failure.get_or_insert(why);
                }
            }
        }
        match first_failure {
            Some(why) if !is_one_good => Err(why),
            _ => Ok(()),
        }
    }

    /// Looks again and again. Dropping it at any point is harmless.
    pub(super) async fn keep(mut self, store: Arc<dyn Store>) {
        loop {
            tokio::time::sleep(self.refresh_every).await;
            match self.look().await {
                Ok(found) => {
                    if self.take(found) {
                        warn_of_other_instances(store.as_ref(), &self.instances).await;
                    }
                }
                Err(failure) => tracing::warn!(
                    why = explain(&failure),
                    "instances could not be looked for; those that were found stay served"
                ),
            }
        }
    }

    async fn look(&self) -> Result<Discovered, Failure> {
        self.discoverer
            .discover(look_call(self.look_call_time))
            .await
    }

    /// Puts what was found on the list. Answers whether other instances are on it now.
    fn take(&mut self, mut found: Discovered) -> bool {
        let before = self.instances.arns();
        let next = next_served(&self.served, &mut found);
        tell_unreachable(&self.instances.unreachable(), &found.unreachable);
        for (instance, _) in &next {
            if !before.contains(&instance.arn) {
                tell_served(instance);
            }
        }
        for (gone, _) in &self.served {
            if next.iter().all(|(instance, _)| instance.arn != gone.arn) {
                tracing::warn!(instance = %gone.arn, "AWS does not list this instance any more; it is no longer served");
            }
        }
        let ports = next.iter();
        let ports = ports.map(|(instance, port)| (instance.arn.clone(), Arc::clone(port)));
        self.known.extend(ports);
        let routes = self.known.clone().into_iter();
        // Before the list: who finds an instance on it can reach it.
        self.router.set_routes(routes.collect(), found.ports);
        let listed = next.iter().map(|(instance, _)| instance.clone());
        self.instances.replace(listed.collect(), found.unreachable);
        self.served = next;
        before != self.instances.arns()
    }
}

/// What looks for the instances that the configuration means.
pub(super) fn discoverer(home: Arc<SdkIdentityCenter>, config: &Config) -> Discoverer {
    Discoverer::new(home, config.instances.clone(), config.discovery.clone())
}

/// How long a look may take: all of an organization takes longer than one place.
pub(super) fn look_call_time(config: &Config) -> Duration {
    let without_discovery = super::connect::START_TIME_MAX;
    if config.discovery.role_name.is_some() {
        Duration::from_secs(config.discovery.look_seconds_max).max(without_discovery)
    } else {
        without_discovery
    }
}

/// What is served after a look, from what was served before it.
fn next_served(before: &[Served], found: &mut Discovered) -> Vec<Served> {
    let mut next: Vec<Served> = (found.instances.iter())
        .map(|(instance, port)| {
            let known = (before.iter()).find(|(known, _)| known.arn == instance.arn);
            let known = known.map(|(known, _)| known);
            (with_what_was_known(instance, known), Arc::clone(port))
        })
        .collect();
    for (kept, port) in before {
        let is_found = next.iter().any(|(instance, _)| instance.arn == kept.arn);
        if !is_found && !found.shows_absence_of(kept) {
            tracing::warn!(instance = %kept.arn, "this instance could not be looked for; it stays served");
            found.name_account_of_kept(kept);
            next.push((kept.clone(), Arc::clone(port)));
        }
    }
    next
}

/// The instance with what an earlier look knew and this one could not ask.
fn with_what_was_known(instance: &Instance, known: Option<&Instance>) -> Instance {
    let mut instance = instance.clone();
    let Some(known) = known else {
        return instance;
    };
    if instance.kind == InstanceKind::Unknown && instance.owner_account_id == known.owner_account_id
    {
        instance.kind = known.kind;
        let manager = &known.management_account_id;
        instance.management_account_id.clone_from(manager);
    }
    // Found this time by its account and not by the section that names it.
    let alias = instance.alias.take();
    instance.alias = alias.or_else(|| known.alias.clone());
    instance
}

fn tell_served(instance: &Instance) {
    tracing::info!(
        instance = %instance.arn,
        alias = instance.alias.as_deref().unwrap_or_default(),
        kind = instance.kind.as_str(),
        region = instance.region,
        owner = instance.owner_account_id.as_ref().map(tracing::field::display),
        called_from = instance.called_from.as_ref().map(tracing::field::display),
        "serving this instance"
    );
}

/// Names the aliases that no request will find: two sections mean one instance.
fn tell_lost_aliases(config: &Config, found: &Discovered) {
    for wanted in config.instances.iter().filter_map(|row| row.alias.as_ref()) {
        let mut aliases = found.instances.iter().map(|(row, _)| row.alias.as_ref());
        let mut failed = found.unreachable.iter().map(|row| &row.name);
        if !aliases.any(|alias| alias == Some(wanted)) && !failed.any(|name| name == wanted) {
            tracing::warn!(
                alias = wanted,
                "this section of [[instances]] means an instance that another one names already"
            );
        }
    }
}

/// Names the accounts that were not named before.
fn tell_unreachable(before: &[UnreachableAccount], now: &[UnreachableAccount]) {
    for row in now.iter().filter(|row| !before.contains(row)) {
        tracing::warn!(
            account = %row.account_id,
            name = row.name,
            why = row.reason,
            "an account cannot be looked into; the others go on"
        );
    }
}

/// Why there is nothing to serve, and what helps.
fn nothing_found(unreachable: &[UnreachableAccount]) -> String {
    if unreachable.is_empty() {
        return "AWS lists no IAM Identity Center instance for these credentials in this region; \
                use the region where it is enabled (AWS_REGION), or name instances in the \
                configuration as [[instances]]"
            .to_owned();
    }
    let told = unreachable.iter().take(REASONS_TOLD_MAX).map(describe);
    let told = told.collect::<Vec<_>>().join("; ");
    let more = unreachable.len().saturating_sub(REASONS_TOLD_MAX);
    let more = (more > 0).then(|| format!("; and {more} more"));
    let more = more.unwrap_or_default();
    format!(
        "no IAM Identity Center instance can be served: {told}{more}; see deploy/iam for the roles, \
         and ask `usher check`"
    )
}

/// An account that could not be looked into, in a line.
pub(super) fn describe(row: &UnreachableAccount) -> String {
    let name = (!row.name.is_empty()).then(|| format!(" ({})", row.name));
    let name = name.unwrap_or_default();
    format!("account {}{name}: {}", row.account_id, row.reason)
}

/// Says when the store holds grants that nobody works on: those of instances that are not served.
pub(super) async fn warn_of_other_instances(store: &dyn Store, instances: &Instances) {
    match store.count_open_elsewhere(&instances.arns()).await {
        Ok(0) => {}
        Ok(open) => tracing::warn!(
            open,
            "the store holds open grants of instances that are not served; they do not end before those are"
        ),
        Err(error) => {
            tracing::warn!(error = %error, "grants of other instances could not be counted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, IdentityStoreId};

    const MANAGER: &str = "111111111111";
    const MEMBER: &str = "222222222222";

    fn account(id: &str) -> AccountId {
        AccountId::parse(id).unwrap()
    }

    fn served(letter: &str, owner: &str, kind: InstanceKind) -> Served {
        let arn = format!("arn:aws:sso:::instance/ssoins-{}", letter.repeat(16));
        let instance = Instance {
            arn: InstanceArn::parse(&arn).unwrap(),
            alias: None,
            identity_store_id: IdentityStoreId::parse("d-1234567890").unwrap(),
            owner_account_id: Some(account(owner)),
            name: String::new(),
            region: "us-east-1".to_owned(),
            kind,
            management_account_id: None,
            called_from: Some(account(owner)),
        };
        let nowhere = InstanceRouter::new(Arc::new(no_port()));
        (instance, Arc::new(nowhere))
    }

    /// A port that is never asked.
    fn no_port() -> SdkIdentityCenter {
        let config = crate::identity_center::AwsConfig {
            region: Some("us-east-1".to_owned()),
            ..Default::default()
        };
        let credentials = crate::identity_center::StaticCredentials {
            access_key_id: "x".to_owned(),
            secret_access_key: "x".to_owned(),
        };
        let budget = crate::budget::Budget::new(Default::default()).unwrap();
        let mode = crate::identity_center::WriteMode::Never;
        SdkIdentityCenter::connect_with_credentials(&config, &credentials, budget, mode).unwrap()
    }

    fn unreachable(id: &str) -> UnreachableAccount {
        UnreachableAccount {
            account_id: account(id),
            name: String::new(),
            reason: "AssumeRole failed".to_owned(),
        }
    }

    #[test]
    fn only_a_look_that_went_well_takes_an_instance_off_the_list() {
        let before = [
            served("a", MANAGER, InstanceKind::Organization),
            served("b", MEMBER, InstanceKind::Account),
        ];
        // What is served, and which accounts are named, after a look that reached these places.
        let after = |named: &[&str], reached: &[(&str, &str)]| {
            let place = |(id, region): &(&str, &str)| (account(id), (*region).to_owned());
            let mut found = Discovered {
                instances: vec![served("a", MANAGER, InstanceKind::Organization)],
                unreachable: named.iter().map(|id| unreachable(id)).collect(),
                reached: reached.iter().map(place).collect(),
                ports: Vec::new(),
            };
            let next = next_served(&before, &mut found);
            let letter = |(row, _): &Served| row.arn.as_str().chars().last().unwrap();
            let next: Vec<char> = next.iter().map(letter).collect();
            let named = found.unreachable.into_iter();
            (next, named.map(|row| row.account_id).collect::<Vec<_>>())
        };
        let both = [(MANAGER, "us-east-1"), (MEMBER, "us-east-1")];
        let elsewhere = [both[0], (MEMBER, "eu-west-1")];
        assert_eq!(after(&[], &both), (vec!['a'], vec![]));
        assert_eq!(
            after(&[MANAGER], &both),
            (vec!['a'], vec![account(MANAGER)])
        );
        let kept = (vec!['a', 'b'], vec![account(MEMBER)]);
        assert_eq!(after(&[MEMBER], &both), kept);
        assert_eq!(after(&[], &both[..1]), kept);
        assert_eq!(after(&[], &elsewhere), kept);
    }

    #[test]
    fn what_a_look_could_not_ask_stays_as_it_was_known() {
        let (mut known, _) = served("a", MANAGER, InstanceKind::Organization);
        known.management_account_id = Some(account(MANAGER));
        known.alias = Some("main".to_owned());
        let (seen, _) = served("a", MANAGER, InstanceKind::Unknown);
        assert_eq!(with_what_was_known(&seen, Some(&known)), known);
        assert_eq!(with_what_was_known(&seen, None), seen);
        let (moved, _) = served("a", MEMBER, InstanceKind::Unknown);
        let moved = with_what_was_known(&moved, Some(&known));
        assert_eq!(moved.kind, InstanceKind::Unknown);
    }

    #[test]
    fn a_refusal_names_some_accounts_and_counts_the_rest() {
        assert!(nothing_found(&[]).contains("AWS_REGION"));
        let many: Vec<_> = (0..9).map(|_| unreachable(MEMBER)).collect();
        let told = nothing_found(&many);
        assert!(told.contains("account 222222222222: AssumeRole failed"));
        assert!(told.contains("and 4 more"), "{told}");
    }
}
