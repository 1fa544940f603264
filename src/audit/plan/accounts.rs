//! Which way to the assignments of accounts is the cheapest that is complete: pure arithmetic.
//!
//! AWS has no list of all assignments to accounts. They are read pair by pair (an account with a
//! permission set), and the pairs come from the sets: the accounts would lose those that have left
//! the organization. A question about one principal may be asked by that principal and its groups.

use super::{KnownCounts, list_pages};

/// So many principals at most are asked about one by one where nobody has counted the pairs: five
/// seconds of AWS's quota. A handful of permission sets on a handful of accounts cost no less.
const PRINCIPALS_UNCOUNTED_MAX: u64 = 100;

/// Whether asking by `wanted` principals is allowed and not dearer than asking by pairs, as far as
/// that is known; where the pairs were never counted, up to `PRINCIPALS_UNCOUNTED_MAX`.
pub(in crate::audit) fn is_cheaper_by_principal(
    wanted: u64,
    is_allowed: bool,
    known: &KnownCounts,
) -> bool {
    is_allowed && wanted <= pair_operations(known).unwrap_or(PRINCIPALS_UNCOUNTED_MAX)
}

/// What asking by pairs costs, names apart.
fn pair_operations(known: &KnownCounts) -> Option<u64> {
    let sets = known.permission_sets?;
    if sets == 0 {
        return Some(1);
    }
    Some(list_pages(sets) + known.account_pages? + known.account_assignment_pages?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_principal_only_where_allowed_and_not_dearer() {
        let few = KnownCounts {
            permission_sets: Some(2),
            account_pages: Some(2),
            account_assignment_pages: Some(4),
            ..KnownCounts::default()
        };
        let none = KnownCounts {
            permission_sets: Some(0),
            ..KnownCounts::default()
        };
        assert!(is_cheaper_by_principal(7, true, &few));
        assert!(!is_cheaper_by_principal(8, true, &few));
        assert!(!is_cheaper_by_principal(1, false, &few));
        assert!(!is_cheaper_by_principal(2, true, &none));
        let uncounted = KnownCounts::default();
        let most = PRINCIPALS_UNCOUNTED_MAX;
        assert!(is_cheaper_by_principal(most, true, &uncounted));
        assert!(!is_cheaper_by_principal(most + 1, true, &uncounted));
    }
}
