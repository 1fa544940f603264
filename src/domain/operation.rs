//! What Usher can ask of AWS, apart from any SDK.
//!
//! `Operation` is the whole list: the connector refuses everything else, and the IAM policies in
//! deploy/iam are tested against it.

/// Makes the enum, the list of its values and their names from one list, so that none is forgotten.
macro_rules! operations {
    ($($name:ident,)+) => {
        /// An operation that Usher's code can make.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the variants are AWS's own operation names")]
        pub enum Operation {
            $($name,)+
        }

        impl Operation {
            /// Every operation, in the order of AWS's services.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// AWS's name of the operation.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

operations! {
    ListInstances,
    ListApplications,
    DescribeApplication,
    GetApplicationAssignmentConfiguration,
    ListApplicationAssignments,
    ListApplicationAssignmentsForPrincipal,
    DescribeApplicationAssignment,
    CreateApplicationAssignment,
    DeleteApplicationAssignment,
    ListPermissionSets,
    DescribePermissionSet,
    ListAccountsForProvisionedPermissionSet,
    ListAccountAssignments,
    ListAccountAssignmentsForPrincipal,
    CreateAccountAssignment,
    DeleteAccountAssignment,
    ListAccountAssignmentCreationStatus,
    ListAccountAssignmentDeletionStatus,
    DescribeAccountAssignmentCreationStatus,
    DescribeAccountAssignmentDeletionStatus,
    ListUsers,
    ListGroups,
    DescribeUser,
    DescribeGroup,
    GetUserId,
    GetGroupId,
    ListGroupMemberships,
    ListGroupMembershipsForMember,
    ListAccounts,
    DescribeOrganization,
    GetCallerIdentity,
    AssumeRole,
}

/// A quota of AWS that operations count against (aws-api.md §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaBucket {
    /// All sso-admin operations together.
    SsoAdmin,
    /// One identitystore operation. AWS's current text counts each by itself; a setting folds
    /// them into one (`IdentityStoreQuota`).
    IdentityStore(Operation),
    /// Every identitystore operation together, the older and stricter reading.
    IdentityStoreCollective,
    /// All organizations operations together; AWS publishes no figure (aws-api.md §4).
    Organizations,
    /// sts, whose quota (600 a second) Usher cannot reach.
    Sts,
}

impl std::fmt::Display for QuotaBucket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SsoAdmin => formatter.write_str("sso-admin"),
            Self::IdentityStore(operation) => {
                write!(formatter, "identitystore {}", operation.name())
            }
            Self::IdentityStoreCollective => formatter.write_str("identitystore"),
            Self::Organizations => formatter.write_str("organizations"),
            Self::Sts => formatter.write_str("sts"),
        }
    }
}

impl Operation {
    /// Finds an operation by AWS's name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.name() == name)
    }

    /// Whether it changes access in AWS. The reconciler alone makes these.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::CreateApplicationAssignment
                | Self::DeleteApplicationAssignment
                | Self::CreateAccountAssignment
                | Self::DeleteAccountAssignment
        )
    }

    /// The service prefix of the IAM action.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::GetCallerIdentity | Self::AssumeRole => "sts",
            Self::ListAccounts | Self::DescribeOrganization => "organizations",
            Self::ListUsers
            | Self::ListGroups
            | Self::DescribeUser
            | Self::DescribeGroup
            | Self::GetUserId
            | Self::GetGroupId
            | Self::ListGroupMemberships
            | Self::ListGroupMembershipsForMember => "identitystore",
            _ => "sso",
        }
    }

    /// The IAM action that allows it (aws-api.md §6), for example `sso:ListApplications`.
    #[must_use]
    pub fn iam_action(self) -> String {
        format!("{}:{}", self.service(), self.name())
    }

    /// The quota it counts against, when each identitystore operation has its own.
    #[must_use]
    pub fn quota_bucket(self) -> QuotaBucket {
        match self.service() {
            "sts" => QuotaBucket::Sts,
            "organizations" => QuotaBucket::Organizations,
            "identitystore" => QuotaBucket::IdentityStore(self),
            _ => QuotaBucket::SsoAdmin,
        }
    }
}
