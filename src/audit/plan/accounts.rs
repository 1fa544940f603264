//! Which way to the assignments of accounts is the cheapest that is complete: pure arithmetic.
//!
//! AWS has no list of all assignments to accounts. They are read pair by pair (an account with a
//! permission set), and the pairs come from the sets or from the accounts. A question about one
//! principal may be asked by that principal. Never chosen because it might be cheaper: only
//! because it is, by what is known.

use super::{KnownCounts, list_pages};

/// Where the pairs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) enum Way {
    /// Each permission set is asked for its accounts.
    BySet,
    /// Each account of the organization is asked for its permission sets.
    ByAccount,
}

/// The cheaper of asking `sets` permission sets for their accounts and asking `accounts` accounts
/// for their permission sets; the accounts only where all of them are known. Unknown pages of the
/// first count as the least they can be, of the second as the most.
pub(in crate::audit) fn cheaper_way(sets: u64, accounts: Option<u64>, known: &KnownCounts) -> Way {
    let by_set = known.account_pages.unwrap_or(sets);
    let by_account = accounts.map(|accounts| {
        (known.permission_set_pages).unwrap_or_else(|| accounts.saturating_mul(list_pages(sets)))
    });
    match by_account {
        Some(by_account) if by_account < by_set => Way::ByAccount,
        _ => Way::BySet,
    }
}

/// Whether asking by `wanted` principals is allowed and not dearer than asking by pairs, as far as
/// that is known. An instance that nobody counted has more than a handful of pairs.
pub(in crate::audit) fn is_cheaper_by_principal(
    wanted: u64,
    is_allowed: bool,
    known: &KnownCounts,
) -> bool {
    is_allowed && pair_operations(known).is_none_or(|pairs| wanted <= pairs)
}

/// What asking by pairs costs, names apart.
fn pair_operations(known: &KnownCounts) -> Option<u64> {
    let sets = known.permission_sets?;
    if sets == 0 {
        return Some(1);
    }
    let found = match cheaper_way(sets, known.accounts, known) {
        Way::BySet => known.account_pages?,
        Way::ByAccount => known.permission_set_pages?,
    };
    Some(list_pages(sets) + found + known.account_assignment_pages?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(sets: u64, accounts: u64, pairs: u64) -> KnownCounts {
        KnownCounts {
            permission_sets: Some(sets),
            accounts: Some(accounts),
            account_assignment_pages: Some(pairs),
            ..KnownCounts::default()
        }
    }

    #[test]
    fn pairs_come_from_where_they_are_certainly_cheaper() {
        let uncounted = KnownCounts::default();
        for (sets, accounts, way) in [
            (20, Some(30), Way::BySet),
            (30, Some(30), Way::BySet),
            (30, Some(20), Way::ByAccount),
            // Two pages for each account at most.
            (150, Some(80), Way::BySet),
            (150, Some(74), Way::ByAccount),
            (3_500, None, Way::BySet),
            (3_500, Some(50), Way::ByAccount),
        ] {
            assert_eq!(
                cheaper_way(sets, accounts, &uncounted),
                way,
                "{sets} {accounts:?}"
            );
        }
        let counted = KnownCounts {
            account_pages: Some(1_000),
            permission_set_pages: Some(200),
            ..known(500, 200, 0)
        };
        assert_eq!(cheaper_way(500, Some(200), &counted), Way::ByAccount);
    }

    #[test]
    fn by_principal_only_where_allowed_and_not_dearer() {
        let few = KnownCounts {
            account_pages: Some(2),
            permission_set_pages: Some(3),
            ..known(2, 3, 4)
        };
        assert!(is_cheaper_by_principal(7, true, &few));
        assert!(!is_cheaper_by_principal(8, true, &few));
        assert!(!is_cheaper_by_principal(1, false, &few));
        assert!(is_cheaper_by_principal(8, true, &KnownCounts::default()));
        assert!(!is_cheaper_by_principal(2, true, &known(0, 3, 0)));
    }
}
