//! Places of users when they are sorted: what refers to a user by its place follows it.

use super::collection::{Joined, Members, UserFacts, UserIndex};

/// The same, sorted by the new places of users.
pub(super) fn moved_joined(
    mut joined: Vec<Joined>,
    moved_to: impl Fn(UserIndex) -> UserIndex,
) -> Vec<Joined> {
    for it in &mut joined {
        it.user = moved_to(it.user);
    }
    joined.sort_by_key(|it| it.user);
    joined
}

impl Members {
    /// The same, with the new places of users.
    pub(super) fn moved(self, moved_to: impl Fn(UserIndex) -> UserIndex) -> Self {
        let moved = |members: Vec<UserIndex>| {
            let mut members: Vec<UserIndex> = members.into_iter().map(&moved_to).collect();
            members.sort_unstable();
            members
        };
        match self {
            Self::Read(members) => Self::Read(moved(members)),
            Self::Partly(members) => Self::Partly(moved(members)),
            Self::NotRead => Self::NotRead,
        }
    }
}

/// The users by id, and for each old place the new one.
pub(super) fn sorted_users(users: Vec<UserFacts>) -> (Vec<UserFacts>, Vec<UserIndex>) {
    let mut sorted: Vec<(UserIndex, UserFacts)> = (0..).zip(users).collect();
    sorted.sort_unstable_by(|(_, left), (_, right)| left.user.id.cmp(&right.user.id));
    let mut moved = vec![0; sorted.len()];
    for ((old, _), new) in sorted.iter().zip(0..) {
        if let Some(place) = moved.get_mut(*old as usize) {
            *place = new;
        }
    }
    (sorted.into_iter().map(|(_, facts)| facts).collect(), moved)
}
