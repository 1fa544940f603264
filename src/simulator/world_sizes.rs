//! How large a generated world is. Only numbers and names.

/// How large a generated world is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldSizes {
    /// Applications.
    pub applications: usize,
    /// Groups, empty ones among them.
    pub groups: usize,
    /// Users, disabled ones among them.
    pub users: usize,
    /// Mean of assignments of an application; each has between none and twice as many.
    pub assignments_per_application: usize,
    /// Mean of members of a group that is not empty.
    pub members_per_group: usize,
    /// Accounts of the organization, the management account first, the delegated administrator
    /// second and a suspended one last; none is no organization.
    pub accounts: usize,
    /// Account instances with stores of their own. They share half of the applications, groups and
    /// users above; at most one an account in use that is neither of the first two.
    pub account_instances: usize,
    /// Name of a role in every account, which the management account and the delegated
    /// administrator may assume; absent makes none.
    pub role_name: Option<String>,
    /// The external id of those roles.
    pub role_external_id: Option<String>,
    /// Permission sets.
    pub permission_sets: usize,
    /// Mean of assignments of an account; each has between none and twice as many, over all
    /// permission sets.
    pub assignments_per_account: usize,
}

impl Default for WorldSizes {
    /// A small company that lives in one account.
    fn default() -> Self {
        WorldSizes {
            applications: 20,
            groups: 100,
            users: 500,
            assignments_per_application: 10,
            members_per_group: 10,
            accounts: 0,
            account_instances: 0,
            role_name: None,
            role_external_id: None,
            permission_sets: 0,
            assignments_per_account: 0,
        }
    }
}
