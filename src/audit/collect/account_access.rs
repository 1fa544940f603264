//! Access to accounts: which accounts have which permission sets, and who is assigned to them.
//!
//! AWS has no list of these assignments: they are asked for pair by pair, or, about one principal
//! that exists and where AWS lets Usher ask, by that principal. A whole report never asks by
//! principal or by account: what deleted principals and accounts outside the organization's list
//! have would be missing and nobody would know.

use std::sync::Mutex;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::super::TargetScope;
use super::super::accounts::AccountList;
use super::super::plan::is_cheaper_by_principal;
use super::super::question::AccessScope;
use super::{Collector, Wanted, lock};
use crate::domain::facts::{Extent, FactKind, Gap};
use crate::domain::{
    AccountAccess, ErrorKind, Failure, GroupId, Operation, PermissionSetArn, PrincipalKind,
    PrincipalRef, Target,
};

impl Collector<'_> {
    /// Reads who has access to accounts. Tells of each assigned group as it is found.
    pub(super) async fn read_account_access(
        &self,
        wanted: &Wanted,
        found: mpsc::UnboundedSender<GroupId>,
    ) {
        if !self.question.covers_accounts() {
            return;
        }
        if let Some(TargetScope::AccountAccess(scope)) = &self.question.scope.target {
            self.read_one_access(scope, wanted, &found).await;
            return;
        }
        if let Some(principals) = self.principals_to_ask(wanted).await
            && self.read_by_principals(&principals, &found).await
        {
            self.read_permission_set_names().await;
            if !self.gathered().every_access().is_empty() {
                self.list_accounts().await;
            }
            return;
        }
        let sets = self.list_permission_sets().await;
        if sets.is_empty() {
            return;
        }
        let names = async {
            // Only those that a row can name, where the question is about one principal.
            if self.question.scope.is_whole() {
                self.read_permission_set_names().await;
            }
        };
        let accounts = async {
            let count = self.list_accounts().await.count(self.question.instance);
            self.gathered().listed.accounts = count;
        };
        tokio::join!(names, accounts, async {
            self.read_pairs(&sets).await;
            self.read_every_pair(wanted, &found).await;
        });
        if !self.question.scope.is_whole() {
            self.gathered().forget_unassigned_access();
            self.read_permission_set_names().await;
        }
    }

    async fn list_accounts(&self) -> &AccountList {
        let list = self.accounts.list(self.readings.as_ref()).await;
        if let Some((from, until)) = list.observed {
            let mut gathered = self.gathered();
            gathered.observe(from);
            gathered.observe(until);
        }
        list
    }

    async fn read_one_access(
        &self,
        scope: &AccessScope,
        wanted: &Wanted,
        found: &mpsc::UnboundedSender<GroupId>,
    ) {
        {
            let mut gathered = self.gathered();
            gathered.account_access(scope.access.clone());
            if let Some(account) = &scope.account {
                gathered.observe(account.observed_at);
            }
            if let Some(set) = &scope.permission_set {
                gathered.observe(set.observed_at);
                gathered.permission_set(set.value.clone());
            }
        }
        tokio::join!(
            self.read_permission_set_names(),
            async {
                if scope.account.is_none() {
                    self.list_accounts().await;
                }
            },
            self.read_pair(&scope.access, wanted, found)
        );
    }

    /// The principals to ask by, where that is allowed, not dearer, and loses nothing: the one that
    /// the question is about must exist, or AWS may keep quiet about what it had.
    async fn principals_to_ask(&self, wanted: &Wanted) -> Option<Vec<PrincipalRef>> {
        let Wanted::These(principals) = wanted else {
            return None;
        };
        let is_allowed = self.question.instance.lists_account_access_by_principal();
        let count = principals.len() as u64;
        if !is_cheaper_by_principal(count, is_allowed, self.question.known)
            || !self.principal_exists().await
        {
            return None;
        }
        let mut principals: Vec<PrincipalRef> = principals.iter().cloned().collect();
        principals.sort_unstable();
        Some(principals)
    }

    /// Whether AWS says that the principal of the question exists; its facts are kept.
    async fn principal_exists(&self) -> bool {
        let Some(principal) = &self.question.scope.principal else {
            return false;
        };
        let (instance, id) = (self.question.instance, &principal.id);
        match principal.kind {
            PrincipalKind::User => {
                let read = self.port.user(instance, id, self.call()).await;
                match self.one(Operation::DescribeUser, read) {
                    Ok(Some(user)) => {
                        self.gathered().user_exists(user, true);
                        true
                    }
                    Ok(None) => {
                        self.gathered().user_is_deleted(id);
                        false
                    }
                    Err(_) => false,
                }
            }
            PrincipalKind::Group => {
                let read = self.port.group(instance, id, self.call()).await;
                let group = self.one(Operation::DescribeGroup, read).ok().flatten();
                let exists = group.is_some();
                if let Some(group) = group {
                    let mut gathered = self.gathered();
                    (gathered.confirmed_groups).insert(group.id.clone(), group);
                }
                exists
            }
        }
    }

    /// Asks by principals. Answers whether all of them could be asked: one that is gone meanwhile
    /// cannot, and the pairs must tell.
    async fn read_by_principals(
        &self,
        principals: &[PrincipalRef],
        found: &mpsc::UnboundedSender<GroupId>,
    ) -> bool {
        self.meter.step("accounts of the principal");
        let operation = Operation::ListAccountAssignmentsForPrincipal;
        self.meter.expect(operation, principals.len() as u64);
        let is_gone = Mutex::new(false);
        let is_gone = &is_gone;
        stream::iter(principals)
            .for_each_concurrent(self.config.concurrency(), |principal| async move {
                match self.read_by_principal(principal, found).await {
                    Ok(()) => {}
                    Err(failure) if failure.kind == ErrorKind::NotFound => *lock(is_gone) = true,
                    Err(failure) => {
                        let kind = principal.kind.as_str().to_lowercase();
                        let scope = format!("{kind} {}: access to accounts", principal.id);
                        self.miss(scope, &failure, vec![Gap::assignments(Extent::Accounts)]);
                    }
                }
            })
            .await;
        !*lock(is_gone)
    }

    async fn read_by_principal(
        &self,
        principal: &PrincipalRef,
        found: &mpsc::UnboundedSender<GroupId>,
    ) -> Result<(), Failure> {
        let instance = &self.question.instance.arn;
        self.every_page(
            Operation::ListAccountAssignmentsForPrincipal,
            principal.id.as_str(),
            |token| async move {
                let call = self.call();
                self.port
                    .account_assignments_for_principal(instance, principal, token.as_ref(), call)
                    .await
            },
            |page| {
                let mut gathered = self.gathered();
                // For a user some rows may name a group, which is asked by itself.
                for row in page.into_iter().filter(|row| row.principal == *principal) {
                    if let Target::AccountAccess(access) = &row.target {
                        gathered.account_access(access.clone());
                    }
                    let id = row.principal.id.clone();
                    if gathered.assigned(&row.target, row.principal) {
                        // The receiver outlives this: `read_assigned` waits for both.
                        let _ = found.send(id);
                    }
                }
            },
        )
        .await
    }

    /// The permission sets of the instance, those before a failure at least.
    pub(super) async fn list_permission_sets(&self) -> Vec<PermissionSetArn> {
        let instance = &self.question.instance.arn;
        let read = self.every_page(
            Operation::ListPermissionSets,
            "",
            |token| async move {
                let call = self.call();
                self.port
                    .permission_sets(instance, token.as_ref(), call)
                    .await
            },
            |page| {
                let mut gathered = self.gathered();
                for arn in page {
                    gathered.has_permission_set(arn);
                }
            },
        );
        let result = read.await;
        let sets = self.gathered().permission_sets_without_names();
        match result {
            Ok(()) => self.gathered().listed.permission_sets = Some(sets.len() as u64),
            Err(failure) => {
                let gaps = vec![
                    Gap::all(FactKind::PermissionSet),
                    Gap::all(FactKind::Account),
                    Gap::all(FactKind::AccountAccess),
                    Gap::assignments(Extent::Accounts),
                ];
                let scope = format!("permission sets of instance {instance}");
                self.miss(scope, &failure, gaps);
            }
        }
        sets
    }

    async fn read_permission_set_names(&self) {
        let sets = self.gathered().permission_sets_without_names();
        let count = sets.len() as u64;
        self.meter.expect(Operation::DescribePermissionSet, count);
        stream::iter(sets)
            .for_each_concurrent(self.config.concurrency(), |arn| async move {
                let operation = Operation::DescribePermissionSet;
                let ask = || self.port.permission_set(&arn, self.call());
                match self.answer(operation, arn.as_str(), ask).await {
                    Ok(set) => self.gathered().permission_set(set),
                    Err(failure) => {
                        let gaps = vec![Gap::key(FactKind::PermissionSet, arn.as_str())];
                        self.miss(format!("permission set {arn}: name"), &failure, gaps);
                    }
                }
            })
            .await;
    }

    /// Reads which accounts have which of the permission sets. Always from the sets: an account that
    /// the organization does not list (any more) can still have one, and nobody would ask by it.
    async fn read_pairs(&self, sets: &[PermissionSetArn]) {
        let accounts = self.list_accounts().await;
        if accounts.is_of_another(self.question.instance) {
            let scope = "accounts of its organization: names and states".to_owned();
            let reason = "the accounts of another organization were read for this report";
            let gaps = vec![Gap::all(FactKind::Account)];
            self.gathered().miss(scope, reason, gaps);
        }
        let operation = Operation::ListAccountsForProvisionedPermissionSet;
        self.meter.expect(operation, sets.len() as u64);
        stream::iter(sets)
            .for_each_concurrent(self.config.concurrency(), |set| self.read_accounts_of(set))
            .await;
    }

    async fn read_accounts_of(&self, set: &PermissionSetArn) {
        let read = self.every_page(
            Operation::ListAccountsForProvisionedPermissionSet,
            set.as_str(),
            |token| async move {
                let call = self.call();
                self.port
                    .accounts_with_permission_set(set, token.as_ref(), call)
                    .await
            },
            |page| {
                let mut gathered = self.gathered();
                for account in page {
                    gathered.account_access(AccountAccess {
                        account,
                        permission_set: set.clone(),
                    });
                }
            },
        );
        if let Err(failure) = read.await {
            let of = Extent::PermissionSet(set.to_string());
            let access = Gap {
                kind: FactKind::AccountAccess,
                of: of.clone(),
            };
            let gaps = vec![Gap::all(FactKind::Account), access, Gap::assignments(of)];
            self.miss(format!("permission set {set}: accounts"), &failure, gaps);
        }
    }

    async fn read_every_pair(&self, wanted: &Wanted, found: &mpsc::UnboundedSender<GroupId>) {
        self.meter.step("accounts and their assignments");
        let pairs = self.gathered().every_access();
        let operation = Operation::ListAccountAssignments;
        self.meter.expect(operation, pairs.len() as u64);
        stream::iter(&pairs)
            .for_each_concurrent(self.config.concurrency(), |access| {
                self.read_pair(access, wanted, found)
            })
            .await;
    }

    async fn read_pair(
        &self,
        access: &AccountAccess,
        wanted: &Wanted,
        found: &mpsc::UnboundedSender<GroupId>,
    ) {
        let target = &Target::AccountAccess(access.clone());
        let key = target.key();
        let read = self.every_page(
            Operation::ListAccountAssignments,
            &key,
            |token| async move {
                let call = self.call();
                self.port
                    .account_assignments(access, token.as_ref(), call)
                    .await
            },
            |page| self.take_assignments(target, page, wanted, found),
        );
        if let Err(failure) = read.await {
            let (account, set) = (&access.account, &access.permission_set);
            let scope = format!("account {account} with permission set {set}: assignments");
            let gaps = vec![Gap::key(FactKind::Assignment, &key)];
            self.miss(scope, &failure, gaps);
        }
    }
}
