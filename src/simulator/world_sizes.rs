//! How large a generated world is. Only numbers.

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
    /// Permission sets.
    pub permission_sets: usize,
    /// Accounts that can have account assignments.
    pub accounts: usize,
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
            permission_sets: 0,
            accounts: 0,
            assignments_per_account: 0,
        }
    }
}
